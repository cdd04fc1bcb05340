// The control API: requests with the token, and the live stream.

export class Refused extends Error {
  constructor(status) {
    super();
    this.status = status;
  }
}

export class Connection {
  constructor(token) {
    this.headers = { Authorization: `Bearer ${token}` };
  }

  async get(path) {
    return this.#ask(path, { headers: this.headers });
  }

  async post(path, body) {
    return this.#ask(path, { method: "POST", headers: this.headers, body: JSON.stringify(body) });
  }

  async #ask(path, options) {
    const answer = await fetch(path, options);
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status);
    return body;
  }

  // Calls `handle(name, data)` for each event until the signal aborts; EventSource cannot send a token.
  async stream(path, signal, handle) {
    const answer = await fetch(path, { headers: this.headers, signal });
    if (!answer.ok) throw new Refused(answer.status);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    handle("open", {});
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach((block) => dispatch(block, handle));
    }
  }
}

function dispatch(block, handle) {
  const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const name = field("event");
  if (name) handle(name, JSON.parse(field("data")));
}
