// Python in a worker: Pyodide runs the package as it is, and answers one question after the other.
//
// In:  {id, panel, given}         out:  {id, answer}, or {id, broken} where Python itself fails
//                                       {loading: words, share}, then {ready} or {failed}

const PACKAGE = "einstan.zip";
let python;

// Everything that is fetched on the way is counted, for the bar.
const counted = { bytes: 0, all: 1 };
const plain = self.fetch.bind(self);
self.fetch = async (...asked) => {
  const answer = await plain(...asked);
  if (!answer.ok || !answer.body) return answer;
  const count = new TransformStream({
    transform(chunk, out) {
      counted.bytes += chunk.byteLength;
      out.enqueue(chunk);
      tell("Loading Python");
    },
  });
  return new Response(answer.body.pipeThrough(count), { status: answer.status, headers: answer.headers });
};

let told = 0;
function tell(words, share) {
  const now = performance.now();
  if (share === undefined && now - told < 50) return;
  told = now;
  self.postMessage({ loading: words, share: share ?? 0.6 * Math.min(counted.bytes / counted.all, 1) });
}

async function file(name) {
  const answer = await self.fetch(name);
  if (!answer.ok) throw new Error(`${name} is missing`);
  return answer;
}

async function load() {
  tell("Loading Python", 0);
  const contents = file("files.json").then((answer) => answer.json());
  const ours = file(PACKAGE).then((answer) => answer.arrayBuffer());
  const { loadPyodide } = await import("./pyodide/pyodide.mjs");
  const listed = await contents;
  const wanted = ["pyodide/pyodide.asm.wasm", "pyodide/python_stdlib.zip", PACKAGE];
  counted.all = wanted.reduce((sum, name) => sum + (listed.files[name] ?? 0), 0);
  python = await loadPyodide();
  tell("Unpacking Einstan", 0.65);
  python.unpackArchive(await ours, "zip", { extractDir: "/lib/einstan-page" });
  python.runPython("import sys; sys.path.insert(0, '/lib/einstan-page')");
  tell("Loading Einstan", 0.7);
  python.runPython("from einstan.library.panels import answer_json");
  self.postMessage({ ready: listed.version, numpy: listed.numpy });
}

async function numpy(wheel) {
  await python.loadPackage(new URL(wheel, self.location.href).href, { messageCallback() {} });
  python.runPython("import importlib; importlib.invalidate_caches(); import numpy");
}

self.onmessage = async ({ data: { id, panel, given } }) => {
  try {
    if (panel === "numpy") {
      await numpy(given.wheel);
      self.postMessage({ id, answer: { shown: {} } });
      return;
    }
    const ask = python.globals.get("answer_json");
    const answer = ask(panel, JSON.stringify(given));
    ask.destroy();
    self.postMessage({ id, answer: JSON.parse(answer) });
  } catch (problem) {
    self.postMessage({ id, broken: String(problem.message ?? problem).trim().split("\n").at(-1) });
  }
};

load().catch((problem) => self.postMessage({ failed: String(problem.message ?? problem) }));
