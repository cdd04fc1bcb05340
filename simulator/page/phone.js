// One phone: its chat, its buttons and its input box.

const STATES = {
  accepted: ["🕓", "angenommen"],
  sent: ["✓", "gesendet"],
  delivered: ["✓✓", "zugestellt"],
  read: ["✓✓", "gelesen"],
  failed: ["⚠", "fehlgeschlagen"],
};
const MEDIA = {
  image: "Bild", video: "Video", audio: "Sprachnachricht", document: "Dokument", sticker: "Sticker", location: "Standort",
  contacts: "Kontakt", edit: "Bearbeitet:", revoke: "Zurückgezogen:",
};
const SHARING = { bsuid_only: "ohne Rufnummer (nur BSUID)", bsuid_in_from: "BSUID statt Rufnummer" };
const TIME = new Intl.DateTimeFormat("de-DE", { hour: "2-digit", minute: "2-digit" });
const SEGMENTER = /(\*[^*\n]+\*)/;

export class Phone {
  constructor(citizen, act) {
    this.citizen = citizen;
    this.act = act;
    this.items = new Map();
    this.element = document.getElementById("phone-template").content.firstElementChild.cloneNode(true);
    this.chat = this.element.querySelector(".chat");
    this.list = this.chat.querySelector("ol");
    this.#describe();
    this.#listen();
  }

  // The citizen has a new number.
  rename(citizen) {
    this.citizen = citizen;
    this.element.querySelector(".number").textContent = SHARING[citizen.sharing] ?? `+${citizen.phone}`;
  }

  // Replaces a line that is shown already, else puts it at its place.
  show(entry) {
    const atEnd = this.chat.scrollHeight - this.chat.scrollTop - this.chat.clientHeight < 60;
    const item = this.#line(entry);
    const shown = this.items.get(entry.id);
    this.items.set(entry.id, item);
    if (shown) this.#update(shown, item, entry);
    else this.#insert(item, entry);
    if (atEnd) this.chat.scrollTop = this.chat.scrollHeight;
  }

  // Only the state changes: a screen reader shall not read the whole message again, nor focus be lost.
  #update(shown, item, entry) {
    shown.querySelector(".state").replaceWith(item.querySelector(".state"));
    shown.classList.toggle("failed", entry.state === "failed");
    this.items.set(entry.id, shown);
  }

  #insert(item, entry) {
    item.dataset.id = entry.id;
    const following = [...this.list.children].find((other) => Number(other.dataset.id) > entry.id);
    this.list.insertBefore(item, following ?? null);
  }

  #describe() {
    const { citizen, element } = this;
    const title = element.querySelector("h2");
    title.id = `phone-${citizen.id}`;
    title.textContent = citizen.name;
    element.setAttribute("aria-labelledby", title.id);
    this.rename(citizen);
    this.chat.setAttribute("aria-label", `Chat von ${citizen.name}`);
    element.querySelector(".kinds").setAttribute("aria-label", `Anderes senden, ${citizen.name}`);
    element.querySelector(".quick").setAttribute("aria-label", `Schnell schreiben, ${citizen.name}`);
    const label = element.querySelector("label");
    const input = element.querySelector("textarea");
    input.id = `write-${citizen.id}`;
    label.htmlFor = input.id;
    label.textContent = `Nachricht schreiben, ${citizen.name}`;
  }

  #listen() {
    const form = this.element.querySelector("form");
    const input = form.querySelector("textarea");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text && (await this.act(this.citizen, { text }))) input.value = "";
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.element.querySelectorAll("[data-text]").forEach((button) =>
      button.addEventListener("click", () => this.act(this.citizen, { text: button.dataset.text })));
    this.element.querySelectorAll("[data-act]").forEach((button) =>
      button.addEventListener("click", () => this.act(this.citizen, JSON.parse(button.dataset.act), button.dataset.path)));
    this.element.querySelector(".edit").addEventListener("click", async () => {
      const edit = input.value.trim();
      if (!edit) input.focus();
      else if (await this.act(this.citizen, { edit })) input.value = "";
    });
  }

  #line(entry) {
    const item = element("li", `line ${entry.direction}`);
    item.classList.toggle("failed", entry.state === "failed");
    const bubble = element("div", "bubble");
    const who = entry.direction === "written" ? `${this.citizen.name}: ` : "Landkreis: ";
    bubble.append(element("span", "hidden", who));
    if (entry.header) bubble.append(element("p", "header", heading(entry)));
    if (entry.text) bubble.append(formatted(entry.text));
    if (entry.footer) bubble.append(element("p", "footer", entry.footer));
    bubble.append(stamp(entry));
    item.append(bubble);
    if (entry.direction === "received" && entry.buttons.length) item.append(this.#buttons(entry));
    return item;
  }

  #buttons(entry) {
    const group = element("div", "buttons");
    for (const button of entry.buttons) {
      const control = element("button", "", button.title);
      control.type = "button";
      control.disabled = !button.id;
      if (button.description) control.append(element("small", "", button.description));
      control.addEventListener("click", () =>
        this.act(this.citizen, { button: button.id, message: entry.message }));
      group.append(control);
    }
    return group;
  }
}

function element(name, className, text) {
  const created = document.createElement(name);
  if (className) created.className = className;
  if (text !== undefined) created.textContent = text;
  return created;
}

function heading(entry) {
  const kind = /^\[(\w+)\]\s*(.*)$/.exec(entry.header);
  return kind ? `${MEDIA[kind[1]] ?? "Nicht darstellbar"} ${kind[2]}`.trim() : entry.header;
}

// Text in paragraphs, with *bold* as the app shows it.
function formatted(text) {
  const paragraph = element("p", "text");
  for (const part of text.split(SEGMENTER)) {
    paragraph.append(SEGMENTER.test(part) ? element("strong", "", part.slice(1, -1)) : part);
  }
  return paragraph;
}

function stamp(entry) {
  const line = element("p", "stamp");
  const time = element("time", "", TIME.format(new Date(entry.at * 1000)));
  time.dateTime = new Date(entry.at * 1000).toISOString();
  const [sign, word] = STATES[entry.state];
  const state = element("span", `state ${entry.state}`);
  const ticks = element("span", "ticks", sign);
  ticks.setAttribute("aria-hidden", "true");
  state.title = word;
  state.append(ticks, element("span", "hidden", word));
  line.append(time, " ", state);
  return line;
}
