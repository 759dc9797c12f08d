/**
 * A page with resources of every kind, and a backend that serves it: the page looks whether each has arrived whole,
 * and by which protocol, and reports to the backend that served it.
 *
 * @module
 */

/** What the page has found out about itself. */
export interface PageReport {
  /** Origin's host, without its port. */
  readonly host: string;
  /** Path of each resource and of the page, and by what it came: ALPN's word. */
  readonly protocols: Readonly<Record<string, string>>;
  /** What the style sheet, the image, the script, `fetch` each way and the event stream have brought. */
  readonly style: string;
  readonly imageWidth: number;
  readonly script: string;
  readonly echo: string;
  readonly bytes: number;
  readonly events: readonly string[];
  /** What a WebSocket sent back; "" where the page has not tried. */
  readonly socket: string;
}

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="37" height="11"/>`;
/** Larger than any window that a stream begins with. */
const LARGE_BYTES = 1_048_576;

const PAGE = `<!DOCTYPE html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="/style.css"><link rel="icon" href="/icon.svg">
<script src="/script.js"></script></head>
<body><p id="styled">…</p><img id="image" src="/image.svg"><script type="module">
const text = async (path, options) => await (await fetch(path, options)).text();
const events = [];
const stream = new EventSource("/events");
await new Promise((resolve) => {
  stream.onmessage = ({ data }) => events.push(data) === 3 && resolve(stream.close());
});
const socket = location.hostname.startsWith("h1") ? await new Promise((resolve) => {
  const opened = new WebSocket("wss://" + location.host + "/socket");
  opened.onopen = () => opened.send("over a WebSocket");
  opened.onmessage = ({ data }) => (opened.close(), resolve(data));
  opened.onerror = () => resolve("error");
}) : "";
const echo = await text("/echo", { method: "POST", body: "posted ".repeat(10_000) });
const bytes = (await (await fetch("/large")).arrayBuffer()).byteLength;
await document.getElementById("image").decode();
const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const next = await text("/report", { method: "POST", body: JSON.stringify({
  host: location.hostname,
  protocols: Object.fromEntries(entries.map(({ name, nextHopProtocol }) => [new URL(name).pathname, nextHopProtocol])),
  style: getComputedStyle(document.getElementById("styled")).color,
  imageWidth: document.getElementById("image").naturalWidth,
  script: window.fromScript, echo, bytes, events, socket,
}) });
if (next !== "") location.href = next;
</script></body></html>`;

const FILES: Readonly<Record<string, readonly [type: string, text: string]>> = {
  "/": ["text/html", PAGE],
  "/style.css": ["text/css", "#styled { color: rgb(1, 2, 3) }"],
  "/script.js": ["text/javascript", `window.fromScript = "ran";`],
  "/image.svg": ["image/svg+xml", SVG],
  "/icon.svg": ["image/svg+xml", SVG],
};

/** Serves the page. @param reported is given each report and says which page comes next; "" = none */
export function pageHandler(reported: (report: PageReport) => string): Deno.ServeHandler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const file = FILES[pathname];
    if (file !== undefined) return new Response(file[1], { headers: { "content-type": file[0] } });
    if (pathname === "/echo") return new Response(request.body);
    if (pathname === "/large") return new Response(new Uint8Array(LARGE_BYTES));
    if (pathname === "/events") {
      const body = ["one", "two", "three"].map((word) => `data: ${word}\n\n`).join("");
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    if (pathname === "/report") return new Response(reported(JSON.parse(await request.text())));
    if (pathname === "/socket") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    }
    return new Response("not found", { status: 404 });
  };
}
