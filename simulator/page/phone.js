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
// Without the punctuation that ends a sentence.
const LINK = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/i;
const LOOKING = ["pointermove", "pointerdown", "focusin"];

export class Phone {
  constructor(citizen, act) {
    this.act = act;
    this.items = new Map();
    this.unread = 0;
    this.isLoaded = false; // before its chat was read, what comes may be old, as its state has changed
    this.element = document.getElementById("phone-template").content.firstElementChild.cloneNode(true);
    this.chat = this.element.querySelector(".chat");
    this.list = this.chat.querySelector("ol");
    this.rename(citizen);
    this.#listen();
  }

  // What a person calls it: by the end of its number.
  get name() {
    return `Telefon …${this.citizen.phone.slice(-4)}`;
  }

  // Also of a citizen who has a new number.
  rename(citizen) {
    this.citizen = citizen;
    const { element, name } = this;
    const title = element.querySelector("h2");
    title.id = `phone-${citizen.id}`;
    title.textContent = name;
    element.setAttribute("aria-labelledby", title.id);
    element.querySelector(".number").textContent = SHARING[citizen.sharing] ?? `+${citizen.phone}`;
    this.chat.setAttribute("aria-label", `Chat von ${name}`);
    element.querySelector(".kinds").setAttribute("aria-label", `Anderes senden, ${name}`);
    element.querySelector(".quick").setAttribute("aria-label", `Schnell schreiben, ${name}`);
    const label = element.querySelector("label");
    const input = element.querySelector("textarea");
    input.id = `write-${citizen.id}`;
    label.htmlFor = input.id;
    label.textContent = `Nachricht schreiben, ${name}`;
  }

  // Replaces a line that is shown already, else puts it at its place; `isNew` if it has just come.
  show(entry, isNew = false) {
    const atEnd = this.chat.scrollHeight - this.chat.scrollTop - this.chat.clientHeight < 60;
    const item = this.#line(entry);
    const shown = this.items.get(entry.id);
    if (shown) this.#update(shown, item, entry);
    else this.#insert(item, entry);
    if (!shown && isNew && entry.direction === "received" && !this.#isLookedAt()) this.#mark(item);
    if (atEnd) this.chat.scrollTop = this.chat.scrollHeight;
  }

  // Only the state changes: a screen reader shall not read the whole message again, nor focus be lost.
  #update(shown, item, entry) {
    shown.querySelector(".state").replaceWith(item.querySelector(".state"));
    shown.classList.toggle("failed", entry.state === "failed");
  }

  #insert(item, entry) {
    this.items.set(entry.id, item);
    item.dataset.id = entry.id;
    const following = [...this.list.children].find((other) => Number(other.dataset.id) > entry.id);
    this.list.insertBefore(item, following ?? null);
    this.#order();
  }

  // The Tab key leads to what can be done in the newest message, not through all before it: the arrows lead there.
  #order() {
    const controls = this.#controls();
    const newest = controls.at(-1)?.closest("li.line");
    for (const control of controls) control.tabIndex = control.closest("li.line") === newest ? 0 : -1;
  }

  #controls() {
    return [...this.list.querySelectorAll("a, button:enabled")];
  }

  #move(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const controls = this.#controls();
    const position = controls.indexOf(event.target);
    if (!step || position < 0 || !controls[position + step]) return;
    event.preventDefault();
    controls[position + step].focus();
  }

  #isLookedAt() {
    return document.hasFocus() && this.element.matches(":hover, :focus-within");
  }

  #mark(item) {
    item.classList.add("new");
    this.#count(this.unread + 1);
  }

  #look() {
    if (!this.unread) return;
    for (const item of this.list.querySelectorAll(".new")) item.classList.remove("new");
    this.#count(0);
  }

  #count(unread) {
    this.unread = unread;
    const marker = this.element.querySelector(".marker");
    marker.hidden = !unread;
    marker.textContent = unread === 1 ? "1 neue Nachricht" : `${unread} neue Nachrichten`;
    this.element.dispatchEvent(new Event("unread", { bubbles: true }));
  }

  #listen() {
    for (const name of LOOKING) this.element.addEventListener(name, () => this.#look());
    this.chat.addEventListener("keydown", (event) => this.#move(event));
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
    const who = entry.direction === "written" ? `${this.name}: ` : "Landkreis: ";
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
    const isList = entry.buttons[0].kind === "list_reply";
    const group = element(isList ? "ul" : "div", "buttons");
    if (isList) {
      group.setAttribute("role", "list");
      group.setAttribute("aria-label", "Auswahl");
    }
    for (const button of entry.buttons) {
      const control = element("button", "", button.title);
      control.type = "button";
      control.disabled = !button.id;
      if (button.description) control.append(element("small", "", button.description));
      control.addEventListener("click", () =>
        this.act(this.citizen, { button: button.id, message: entry.message }));
      const row = isList ? element("li", "") : control;
      if (isList) row.append(control);
      group.append(row);
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

// Text in paragraphs, with *bold* and addresses as the app shows them.
function formatted(text) {
  const paragraph = element("p", "text");
  for (const part of text.split(SEGMENTER)) {
    if (!SEGMENTER.test(part)) {
      paragraph.append(...linked(part));
      continue;
    }
    const strong = element("strong", "");
    strong.append(...linked(part.slice(1, -1)));
    paragraph.append(strong);
  }
  return paragraph;
}

// What begins with http(s):// and nothing else can be followed.
function linked(text) {
  return text.split(LINK).map((part, position) => (position % 2 ? link(part) : part));
}

function link(address) {
  const created = element("a", "", address);
  created.href = address;
  created.target = "_blank";
  created.rel = "noopener noreferrer";
  return created;
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
