// The page: a text on the left, a panel of what follows from it on the right, Python in between.

import { element, loadKatex, reachable, say } from "./dom.js";
import { Editor } from "./editor.js";
import { addressOf, fromAddress } from "./link.js";
import { PANELS } from "./panels.js";
import { Python } from "./python.js";

const at = (id) => document.getElementById(id);
const python = new Python();
const editor = new Editor(at("text"), document.querySelector(".backdrop"));
const chosen = { panel: "read", of: "", wrt: "", backwards: "no", target: "numpy", what: "backward", sizes: "" };
let read = { lines: [], errors: [], tensors: {}, letters: [] };
let filled = ""; // the panel that is shown
let turn = 0; // of what is shown: an older answer that comes late is dropped
let numpy = "";

// What was asked last is known, so that a panel that is opened again is there at once.
const known = new Map();
async function ask(panel, given) {
  const key = JSON.stringify([panel, given]);
  if (!known.has(key)) {
    known.set(key, python.ask(panel, given).then((answer) => (answer?.shown || known.delete(key), answer)));
    if (known.size > 50) known.delete(known.keys().next().value);
  }
  return known.get(key);
}

// ---- the text --------------------------------------------------------------------------------------------------------

let waiting;
editor.addEventListener("change", () => {
  state("waiting");
  clearTimeout(waiting);
  waiting = setTimeout(update, 200);
});

async function update() {
  const text = editor.text;
  remember();
  const answer = await offeringStop(python.ask("read", { text }), () => text === editor.text);
  if (!answer || text !== editor.text) return;
  if (!answer.shown) return showProblem(answer);
  read = { ...answer.shown, text };
  editor.mark(read.errors);
  showErrors(read.errors);
  if (!read.errors.length || chosen.panel === "verdicts" || filled !== chosen.panel) {
    showAsked();
    await showPanel();
  } else state("wrong");
  if (!read.errors.length && read.lines.some((line) => ["claim", "refute"].includes(line.kind))) judge(text);
}

async function judge(text) {
  const answer = await ask("verdicts", { text });
  if (!answer?.shown || text !== editor.text) return;
  editor.mark(read.errors, answer.shown.marks);
}

function showErrors(errors) {
  at("problems").replaceChildren(
    ...errors.map((error) => {
      const jump = () => editor.select(editor.place(error.start), editor.place(error.end));
      const repair = (paste) => () => editor.replace(editor.place(error.from), editor.place(error.to), paste);
      const only = error.pastes.length === 1; // of several readings nobody chooses but who types
      const [problem, ...rest] = error.report.split("\n");
      return element("article", {}, element("p", {}, error.line ? `Line ${error.line}: ${problem}` : problem),
        rest.length ? element("pre", {}, rest.join("\n")) : "",
        element("button", { type: "button", onclick: jump }, "Go there"),
        ...error.pastes.map((paste) =>
          element("button", { type: "button", class: "repair", onclick: repair(paste) }, only ? "Repair it" : paste)));
    }),
  );
  reachable(at("problems"));
}

const UNREAD = "This is shown once the text can be read: what is wrong stands below it.";

// ---- the panels ------------------------------------------------------------------------------------------------------

const tabs = PANELS.map(({ name, title }) =>
  element("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => open(name) }, title),
);
at("tabs").append(...tabs);
at("tabs").addEventListener("keydown", (event) => {
  const here = PANELS.findIndex(({ name }) => name === chosen.panel);
  const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: PANELS.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const { name } = PANELS[(next + PANELS.length) % PANELS.length];
  open(name);
  at(`tab-${name}`).focus();
});

function selectTab() {
  for (const tab of tabs) {
    const selected = tab.id === `tab-${chosen.panel}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    if (selected) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  at("panel").setAttribute("aria-labelledby", `tab-${chosen.panel}`);
}

function open(name) {
  chosen.panel = name;
  selectTab();
  showAsked();
  remember();
  return showPanel();
}

async function showPanel() {
  if (read.text !== editor.text) return; // it is shown once the text is read
  const mine = ++turn;
  const panel = PANELS.find(({ name }) => name === chosen.panel);
  const given = { text: editor.text, ...Object.fromEntries(panel.asks.map((what) => [what, valueOf(what)])) };
  if ("backwards" in given) given.backwards = given.backwards === "yes";
  if (read.errors.length && panel.name !== "verdicts") return fill(element("p", { class: "quiet" }, UNREAD));
  state("waiting");
  const answer = panel.name === "read" ? { shown: read } : await offeringStop(ask(panel.name, given), () => mine === turn);
  if (!answer || mine !== turn) return;
  if (!answer.shown) return showProblem(answer);
  const more = async (other) => (await ask(other, other === "verdicts" ? { text: given.text } : given))?.shown;
  const content = await panel.show(answer.shown, more, numpyButton);
  if (mine === turn) fill(...content);
}

function fill(...content) {
  filled = chosen.panel;
  at("panel").replaceChildren(...content);
  state("shown");
  reachable(at("panel"));
}

// What is shown is that of the text (`shown`), will be (`waiting`), or cannot be, since the text is `wrong`.
function state(word) {
  at("panel").dataset.state = word;
  at("panel").setAttribute("aria-busy", String(word === "waiting"));
}

// An answer, and after three seconds a button that stops what is worked out, as long as it is waited for.
async function offeringStop(answer, isWaited) {
  const stop = () => {
    python.start();
    say("Stopped; Python is loaded again");
    update();
  };
  const offer = () =>
    fill(element("p", { class: "quiet" }, "This takes long."), element("button", { type: "button", onclick: stop }, "Stop"));
  const slow = setTimeout(() => isWaited() && python.ready && offer(), 3000);
  return answer.finally(() => clearTimeout(slow));
}

function showProblem({ error, missing, broken }) {
  if (missing === "numpy") return fill(element("p", {}, "This needs NumPy for the browser, which einstan page --numpy puts beside the page."), numpyButton());
  if (broken) python.start(); // it may be beyond repair, and is loaded again
  const [problem, ...rest] = (error?.report ?? `Python failed: ${broken ?? `${missing} is missing`}`).split("\n");
  fill(element("p", {}, problem), rest.length ? element("pre", {}, rest.join("\n")) : "");
}

// NumPy is loaded when somebody asks for it, where it lies beside the page.
function numpyButton() {
  if (!numpy) return "";
  const load = async (event) => {
    event.target.disabled = true;
    event.target.textContent = "Loading NumPy";
    const answer = await python.ask("numpy", { wheel: numpy });
    known.clear();
    if (answer?.shown) return showPanel();
    event.target.replaceWith("NumPy could not be loaded");
  };
  return element("button", { type: "button", onclick: load }, "Load NumPy");
}

// ---- what a panel asks for -------------------------------------------------------------------------------------------

const names = () => Object.keys(read.tensors);
const scalars = () => names().filter((name) => read.tensors[name].scalar);
const usual = {
  of: () => (chosen.panel === "paths" ? names()[0] : (scalars().at(-1) ?? names().at(-1))) ?? "",
  wrt: () => read.tensors[valueOf("of")]?.wrt.at(-1) ?? "",
  sizes: () => read.letters.map((letter) => `${letter}=${letter.startsWith("n") ? 128 : 32}`).join(", "),
};
const options = {
  of: () => names(),
  wrt: () => read.tensors[valueOf("of")]?.wrt ?? [],
};
const TARGETS = { numpy: "NumPy", torch: "PyTorch", jax: "JAX" };
const WHAT = { forward: "Forward", backward: "Backward", function: "Function with its derivatives" };

function valueOf(what) {
  const value = chosen[what];
  if (what === "what" && value === "function" && chosen.target === "numpy") return "backward";
  if (what in options) return options[what]().includes(value) ? value : usual[what]();
  if (what === "sizes") return value || usual.sizes();
  return value;
}

function choose(what, value) {
  chosen[what] = value;
  showAsked();
  remember();
  showPanel();
}

function select(what, label) {
  const made = element("select", { id: `ask-${what}`, onchange: (event) => choose(what, event.target.value) },
    ...options[what]().map((name) => element("option", { value: name, selected: name === valueOf(what) }, name)));
  return element("label", {}, `${label} `, made);
}

function choice(what, values, label) {
  const buttons = Object.entries(values).map(([value, words]) =>
    element("button", { type: "button", id: `ask-${what}-${value}`, "aria-pressed": String(value === valueOf(what)), onclick: () => choose(what, value) }, words));
  return element("div", { class: "choice", role: "group", "aria-label": label }, ...buttons.flatMap((one) => [one, " "]));
}

const CONTROLS = {
  of: () => select("of", "Of"),
  wrt: () => select("wrt", "with respect to"),
  target: () => choice("target", TARGETS, "Library"),
  what: () => choice("what", chosen.target === "numpy" ? { forward: WHAT.forward, backward: WHAT.backward } : WHAT, "What"),
  backwards: () => read.tensors[valueOf("of")]?.scalar ? choice("backwards", { no: "Forward", yes: "With backward pass" }, "Passes") : "",
  sizes: () => element("label", {}, "Sizes ", element("input", { type: "text", id: "ask-sizes", value: valueOf("sizes"), spellcheck: "false", onchange: (event) => choose("sizes", event.target.value) })),
};

function showAsked() {
  const focused = document.activeElement?.id;
  const asks = names().length ? PANELS.find(({ name }) => name === chosen.panel).asks : [];
  at("asked").replaceChildren(...asks.map((what) => CONTROLS[what]()).filter(Boolean));
  if (focused?.startsWith("ask-")) at(focused)?.focus();
}

// ---- examples, links, the theme --------------------------------------------------------------------------------------

const examples = await (await fetch("examples.json")).json();
at("example").append(...examples.map(({ name }) => element("option", { value: name }, name)));
at("example").addEventListener("change", (event) => {
  const example = examples.find(({ name }) => name === event.target.value);
  if (example) show({ text: `${example.lines.join("\n")}\n`, panel: example.panel });
  event.target.value = "";
});

function show({ text, ...rest }) {
  Object.assign(chosen, { of: "", wrt: "", sizes: "" }, rest);
  if (!PANELS.some(({ name }) => name === chosen.panel)) chosen.panel = "read";
  selectTab();
  editor.text = text;
}

let written = ""; // the part of the address that is ours
let remembered = 0;
async function remember() {
  const mine = ++remembered;
  const rest = Object.fromEntries(Object.entries(chosen).filter(([what, value]) => value && ["panel", "of", "wrt", "target", "what", "sizes"].includes(what)));
  const address = await addressOf(editor.text, rest);
  if (mine !== remembered) return; // of a text that is no more
  try {
    history.replaceState(null, "", address);
  } catch {
    // some browsers do not let it change that often
  }
  written = location.hash;
}

at("share").addEventListener("click", async () => {
  await remember();
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied; it holds the text");
  } catch {
    say("The address above is the link; it holds the text");
  }
});

async function fromLink() {
  const found = await fromAddress();
  if (found?.broken) say("The link is broken: an example instead");
  if (found?.text !== undefined) show(found);
  else show({ text: `${examples[1].lines.join("\n")}\n`, panel: "read" });
}
window.addEventListener("resize", () => ["problems", "panel"].map(at).forEach(reachable));
window.addEventListener("hashchange", () => location.hash !== written && fromLink());

const THEMES = { system: "light dark", light: "light", dark: "dark" };
let theme = "system";
function setTheme(name) {
  theme = name in THEMES ? name : "system";
  document.documentElement.style.colorScheme = THEMES[theme];
  at("theme").textContent = `Theme: ${theme}`;
}
at("theme").addEventListener("click", () => {
  const all = Object.keys(THEMES);
  setTheme(all[(all.indexOf(theme) + 1) % all.length]);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // it is forgotten
  }
});
try {
  setTheme(localStorage.getItem("theme"));
} catch {
  setTheme("system");
}

// ---- loading ---------------------------------------------------------------------------------------------------------

python.addEventListener("loading", ({ detail }) => {
  at("loading").hidden = false;
  at("loading-text").textContent = detail.loading;
  at("progress").value = detail.share;
});
python.addEventListener("ready", ({ detail }) => {
  at("loading").hidden = true;
  numpy = detail.numpy;
  document.documentElement.dataset.ready = detail.ready;
  keepForLater();
});
python.addEventListener("failed", ({ detail }) => {
  at("loading").hidden = false;
  at("loading-text").textContent = "Python could not be loaded";
  at("loading").append(element("pre", {}, `${detail.failed}\n\nThe command einstan page puts all files together and serves them.`));
});

async function keepForLater() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("service-worker.js");
    const { active } = await navigator.serviceWorker.ready;
    navigator.serviceWorker.onmessage = ({ data }) => (document.documentElement.dataset.kept = data);
    active.postMessage("keep");
  } catch {
    // then the page needs its server
  }
}

loadKatex().then(() => read.lines.length && showPanel());
await fromLink();
