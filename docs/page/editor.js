// The text area with its marks: a wavy line under what is wrong, and a verdict before each claim.

export class Editor extends EventTarget {
  constructor(area, backdrop) {
    super();
    this.area = area;
    this.backdrop = backdrop;
    this.errors = [];
    this.marks = {};
    area.addEventListener("input", () => this.#changed());
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.#changed();
  }

  // One change that can be undone.
  replace(start, end, text) {
    this.area.focus();
    this.area.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) {
      this.area.setRangeText(text, start, end, "end");
      this.#changed();
    }
  }

  select(start, end) {
    this.area.focus();
    this.area.setSelectionRange(start, end);
  }

  // Python counts letters, and the browser halves of some: 𝜎 is two.
  place(letters) {
    return [...this.text].slice(0, letters).join("").length;
  }

  // What is wrong, and by the number of a line its verdict: {mark, look}.
  mark(errors, marks = {}) {
    this.errors = errors;
    this.marks = marks;
    this.#draw();
  }

  #changed() {
    this.mark([]);
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    let start = 0;
    const wrong = this.errors.map(({ start, end }) => [this.place(start), this.place(end)]);
    const lines = this.text.split("\n").map((line, number) => {
      const made = document.createElement("div");
      const verdict = this.marks[number + 1];
      if (verdict) {
        made.dataset.mark = verdict.mark;
        made.className = `verdict-${verdict.look}`;
      }
      let at = 0;
      for (const [from, to] of wrong) {
        const [left, right] = [Math.max(from - start, at), Math.min(to - start, line.length)];
        if (right <= left) continue;
        const mark = document.createElement("mark");
        mark.textContent = line.slice(left, right);
        made.append(line.slice(at, left), mark);
        at = right;
      }
      made.append(line.slice(at) || (at ? "" : "\u200b"));
      start += line.length + 1;
      return made;
    });
    this.backdrop.replaceChildren(...lines);
  }
}
