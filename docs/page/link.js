// The address holds the text: deflated, in base64 for addresses, behind #z=.

export async function encoded(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export async function decoded(written) {
  const binary = atob(written.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

// What the address says: {text, panel, ...}, or null without a text.
export async function fromAddress() {
  const { z, ...rest } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!z) return null;
  try {
    return { ...rest, text: await decoded(z) };
  } catch {
    return { broken: true };
  }
}

export async function addressOf(text, rest) {
  return `#${new URLSearchParams({ z: await encoded(text), ...rest })}`;
}
