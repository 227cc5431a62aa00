// What each panel asks of Python, and how it shows the answer.

import { code, copyButton, element, math } from "./dom.js";

function quiet(...words) {
  return element("p", { class: "quiet" }, ...words);
}

function equations(found, below = () => []) {
  return found.map((equation, number) =>
    element("div", { class: "row" }, element("span", { class: "number" }, `${number + 1}`),
      element("div", {}, math(equation.latex), code(equation.text), ...below(equation))),
  );
}

function copying(found) {
  return [
    copyButton("Copy text", () => found.map((one) => one.text).join("\n")),
    copyButton("Copy LaTeX", () => found.map((one) => one.latex).join("\n")),
  ];
}

function bar(words, ...buttons) {
  return element("div", { class: "bar" }, quiet(words), ...buttons);
}

function verdict({ verdict: word, mark, look }) {
  return element("span", { class: `verdict ${look}` }, `${mark} ${word}`);
}

const KINDS = { equation: "", claim: "claim", refute: "refute", assume: "assumed", given: "given", convention: "convention" };

export const PANELS = [
  {
    name: "read", title: "Equations", asks: [],
    show({ lines }, more) {
      if (!lines.length) return [quiet("Write an equation on the left, or choose an example.")];
      const kinds = lines.map((line) => element("span", { class: "kind" }, KINDS[line.kind] ?? line.kind));
      if (lines.some((line) => ["claim", "refute"].includes(line.kind))) {
        more("verdicts").then((report) => report?.lines.length === lines.length &&
          report.lines.forEach((line, number) => line.verdict && kinds[number].replaceWith(verdict(line))));
      }
      return [
        bar("As it is read, every sum written out", ...copying(lines)),
        ...lines.map((line, number) =>
          element("div", { class: "row" }, element("span", { class: "number" }, `${line.line}`),
            element("div", {}, math(line.latex), line.reading ? code(line.reading) : ""), kinds[number]),
        ),
      ];
    },
  },
  {
    name: "backward", title: "Backward pass", asks: ["of"],
    show({ of, given, equations: found }) {
      const words = given ? `From the cotangent ${given}, which is given` : `The gradients of ${of}, one line for each tensor`;
      return [bar(words, ...copying(found)), ...equations(found)];
    },
  },
  {
    name: "partials", title: "Partials", asks: ["of"],
    show({ of, equations: found }) {
      const below = (one) => [element("h3", {}, "einsum"), code(one.einsum)];
      return [bar(`Of ${of}, through all equations between`, ...copying(found)), ...equations(found, below)];
    },
  },
  {
    name: "derivation", title: "Derivation", asks: ["of", "wrt"],
    show({ of, wrt, chains }, more) {
      const bodies = chains.map((chain) =>
        element("tbody", {}, ...chain.map((step, number) =>
          element("tr", {}, element("td", {}, number ? "" : math(step.left)), element("td", {}, math(`= ${step.right}`)),
            element("td", { class: "verdict" }), element("td", { class: "reason" }, step.reason)))),
      );
      more("steps").then((proofs) => proofs?.holds?.forEach((chain, c) => chain.forEach((holds, row) => {
        if (holds === null) return;
        const words = holds || "not proved";
        const mark = element("span", { role: "img", "aria-label": words, title: words }, holds ? "✓" : "?");
        mark.className = holds ? "good" : "open";
        bodies[c].rows[row].cells[2].append(mark);
      })));
      const flat = chains.flat();
      const table = element("table", { class: "steps" }, ...bodies);
      const texts = flat.map((step) => ({ text: `${step.text}  # ${step.reason}`, latex: `${step.left} = ${step.right}` }));
      return [bar(`How ${of} is differentiated by ${wrt}`, ...copying(texts)), element("div", { class: "wide" }, table)];
    },
  },
  {
    name: "verdicts", title: "Check", asks: [],
    show({ summary, counts, lines }) {
      const claims = lines.filter((line) => line.verdict);
      if (!claims.length) {
        return [quiet("There is no claim. Put ", element("code", {}, "claim"), " before a line, or write a derivative on its left."),
          element("pre", {}, "claim dW[k,j] = X[N,k] dZ[N,j]\ndZ[n,j]/dW[p,q] = X[n,p] δ[j,q]")];
      }
      return [
        bar(summary),
        ...claims.map((line) =>
          element("div", { class: "row" }, element("span", { class: "number" }, `${line.line}`),
            element("div", {}, line.latex ? math(line.latex) : code(line.text),
              line.details.length ? element("pre", {}, line.details.join("\n")) : ""),
            verdict(line)),
        ),
      ];
    },
  },
  {
    name: "graph", title: "Graph", asks: ["of", "backwards"],
    async show({ dot, words }) {
      const picture = element("div", { class: "graph" });
      try {
        const { instance } = await import("./viz/viz.js");
        const drawn = (await instance()).renderSVGElement(dot);
        drawn.setAttribute("role", "img");
        drawn.setAttribute("aria-label", "The computation graph; in words below");
        const natural = (drawn.viewBox.baseVal.width * 4) / 3; // points as pixels
        drawn.setAttribute("width", Math.min(natural, Math.max(room(), 0.65 * natural)));
        drawn.removeAttribute("height");
        picture.append(drawn);
      } catch {
        picture.append("Graphviz is missing: viz/viz.js");
      }
      const list = element("ul", {}, ...words.map((line) => element("li", {}, line)));
      return [bar("What reads what", copyButton("Copy DOT", () => dot), copyButton("Copy SVG", () => picture.innerHTML)),
        picture, element("details", {}, element("summary", {}, "In words"), list)];
    },
  },
  {
    name: "source", title: "Code", asks: ["target", "what", "of"],
    show({ code: text, note }, more, numpyButton) {
      return [bar("It runs on its own", copyButton("Copy code", () => text)), element("pre", { class: "code" }, text),
        note ? bar(note, numpyButton()) : ""];
    },
  },
  {
    name: "paths", title: "Paths", asks: ["of", "sizes"],
    show({ equation, optimizers, naive_flops: naive, plan, note }) {
      const parts = [["Forward", "forward"], ["Forward and all gradients", "gradients"]].filter(([, key]) => optimizers[0]?.[key]);
      return [
        code(equation),
        ...parts.flatMap(([title, key]) => [element("h3", {}, title), element("div", { class: "wide" }, costs(optimizers, key, title))]),
        naive ? quiet(`All at once, without an order: ${naive.toLocaleString("en")} FLOPs. ${note}`) : "",
        ...(plan ? [element("h3", {}, "Plan of all equations with the backward pass"), element("pre", { class: "code" }, plan)] : []),
      ];
    },
  },
];

function room() {
  return document.getElementById("panel").clientWidth - 64;
}

function costs(optimizers, key, title) {
  const heads = ["optimizer", "FLOPs", "largest", "peak memory"];
  const number = (value) => (value === undefined ? "" : value.toLocaleString("en"));
  const rows = optimizers.map((row) =>
    element("tr", {}, element("th", { scope: "row" }, row.optimizer), element("td", {}, number(row[key].flops)),
      element("td", {}, number(row[key].largest)), element("td", {}, row[key].peak === undefined ? "" : `${number(row[key].peak)} bytes`)),
  );
  const head = element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, one))));
  return element("table", { class: "costs", "aria-label": title }, head, element("tbody", {}, ...rows));
}
