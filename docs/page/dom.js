// Elements in one line, formulas, and what several panels do.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

let katex;

export async function loadKatex() {
  ({ default: katex } = await import("./katex/katex.mjs"));
}

export function math(latex, displayMode = true) {
  const made = element("div", { class: "math" });
  if (!katex) made.append(element("code", {}, latex));
  else {
    const options = { displayMode, throwOnError: false, strict: false, fleqn: true, maxExpand: 1e5, maxSize: 50 };
    katex.render(latex, made, options);
  }
  return made;
}

export function code(text) {
  return element("pre", {}, text);
}

let saying;

export function say(words) {
  const place = document.getElementById("said");
  place.textContent = words;
  clearTimeout(saying);
  saying = setTimeout(() => (place.textContent = ""), 2500);
}

export function copyButton(words, text) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      say("Copied");
    } catch {
      say("The browser does not let this page copy");
    }
  };
  return element("button", { type: "button", onclick: copy }, words);
}

// What is wider than its place scrolls, and whoever has no mouse must be able to get there.
export function reachable(place) {
  for (const wide of place.querySelectorAll(".math, pre, .wide, .graph")) {
    if (wide.scrollWidth > wide.clientWidth + 1) {
      wide.tabIndex = 0;
      wide.setAttribute("role", "group");
      wide.setAttribute("aria-label", wide.classList.contains("math") ? "Formula" : "Scrolls sideways");
    }
  }
}
