// The worker, as a function that is asked and answers later.  Questions wait in a line; a newer one for the same panel
// takes the place of one that still waits, which is answered with null.

export class Python extends EventTarget {
  #worker;
  #waiting = [];
  #asked = null;
  #next = 0;
  ready = false;

  constructor() {
    super();
    this.start();
  }

  start() {
    this.#worker?.terminate();
    this.ready = false;
    for (const { resolve } of [this.#asked, ...this.#waiting].filter(Boolean)) resolve(null);
    this.#asked = null;
    this.#waiting = [];
    this.#worker = new Worker("worker.js", { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => this.#hear({ failed: event.message || "the worker cannot be loaded" });
  }

  ask(panel, given) {
    return new Promise((resolve) => {
      const same = this.#waiting.findIndex((other) => other.panel === panel);
      if (same >= 0) this.#waiting.splice(same, 1)[0].resolve(null);
      this.#waiting.push({ id: ++this.#next, panel, given, resolve });
      this.#go();
    });
  }

  #go() {
    if (!this.ready || this.#asked || !this.#waiting.length) return;
    this.#asked = this.#waiting.shift();
    const { id, panel, given } = this.#asked;
    this.#worker.postMessage({ id, panel, given });
  }

  #hear(data) {
    if ("id" in data) {
      const { resolve } = this.#asked;
      this.#asked = null;
      resolve("broken" in data ? { broken: data.broken } : data.answer);
    } else {
      if ("ready" in data) this.ready = true;
      this.dispatchEvent(new CustomEvent(Object.keys(data)[0], { detail: data }));
    }
    this.#go();
  }
}
