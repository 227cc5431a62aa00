// Once loaded, the page works without a network: what was fetched is kept, and taken where the network gives nothing.

const KEPT = "einstan";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// The page says so once Python runs, so that this does not slow its start.
self.addEventListener("message", (event) => event.waitUntil(keep().then(() => event.source.postMessage("kept"))));

async function keep() {
  const listed = await (await fetch("files.json")).json();
  const kept = await caches.open(KEPT);
  await kept.addAll(["./", "files.json", ...Object.keys(listed.files)]);
}

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || new URL(event.request.url).origin !== self.location.origin) return;
  event.respondWith(
    fetch(event.request).catch(async (problem) => {
      const found = await caches.match(event.request, { cacheName: KEPT, ignoreSearch: true });
      if (found) return found;
      throw problem;
    }),
  );
});
