// The page: which phones are shown, the live stream to them, and the account above them.

import { Connection, Refused } from "/connection.js";
import { Phone } from "/phone.js";

const PER_PAGE = 6;
const RECONNECT_MILLISECONDS = 1000;
const ACCOUNT_MILLISECONDS = 1000;
const TITLE = document.title;
const NUMBERS = new Intl.NumberFormat("de-DE");

const find = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const state = { connection: null, phones: new Map(), offset: 0, total: 0, search: "", stream: null, loading: 0 };

function tell(text) {
  find("alert").textContent = text;
  find("alert").hidden = !text;
}

function askForToken(reason) {
  state.stream?.abort();
  find("help-reason").textContent = reason;
  find("help").hidden = false;
  for (const id of ["tools", "account", "phones", "empty"]) find(id).hidden = true;
  find("token").focus();
}

async function attempt(action, failure) {
  try {
    await action();
    tell("");
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) askForToken("Der Schlüssel ist nicht der richtige.");
    else tell(error instanceof Refused ? `${failure} (${error.status})` : "Der Simulator antwortet nicht.");
    return false;
  }
}

const act = (citizen, message, path = "messages") =>
  attempt(async () => {
    const answer = await state.connection.post(`/simulator/citizens/${citizen.id}/${path}`, message);
    if (path === "number") state.phones.get(citizen.id)?.rename(answer);
  }, "Das hat der Simulator nicht angenommen.");

async function load() {
  const turn = ++state.loading;
  const query = new URLSearchParams({ search: state.search, offset: state.offset, limit: PER_PAGE });
  const { citizens, total } = await state.connection.get(`/simulator/citizens?${query}`);
  if (turn !== state.loading) return;
  state.total = total;
  arrange(citizens);
  watch();
}

function arrange(citizens) {
  const kept = state.phones;
  state.phones = new Map(citizens.map((citizen) => [citizen.id, kept.get(citizen.id) ?? new Phone(citizen, act)]));
  place([...state.phones.values()].map((phone) => phone.element));
  find("empty").hidden = state.total > 0 || state.search !== "";
  const last = Math.min(state.offset + PER_PAGE, state.total);
  find("position").textContent = state.total ? `${state.offset + 1}–${last} von ${NUMBERS.format(state.total)}` : "keine";
  // Not `disabled`: whoever has just pressed it keeps the focus.
  find("previous").setAttribute("aria-disabled", state.offset === 0);
  find("next").setAttribute("aria-disabled", last >= state.total);
  count();
}

// What stays is not moved, so that it keeps the focus.
function place(elements) {
  const phones = find("phones");
  for (const shown of [...phones.children]) if (!elements.includes(shown)) shown.remove();
  elements.forEach((element, position) => {
    if (phones.children[position] !== element) phones.insertBefore(element, phones.children[position] ?? null);
  });
}

function count() {
  const unread = [...state.phones.values()].reduce((sum, phone) => sum + phone.unread, 0);
  document.title = unread ? `(${unread}) ${TITLE}` : TITLE;
}

// Opens the stream first and reads the chats after it, so that nothing falls between the two.
async function watch() {
  state.stream?.abort();
  const abort = new AbortController();
  state.stream = abort;
  const ids = [...state.phones.keys()];
  while (ids.length && !abort.signal.aborted) {
    try {
      await state.connection.stream(`/simulator/events?citizens=${ids.join(",")}`, abort.signal, receive);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) askForToken("Der Schlüssel ist nicht der richtige.");
    }
    if (!abort.signal.aborted) await pause(RECONNECT_MILLISECONDS);
  }
}

function receive(name, data) {
  const phone = state.phones.get(data.citizen);
  if (name === "message") phone?.show(data.entry, phone.isLoaded);
  else attempt(readChats, "Die Chats konnten nicht gelesen werden.");
}

async function readChats() {
  await Promise.all([...state.phones.values()].map(async (phone) => {
    const { messages } = await state.connection.get(`/simulator/citizens/${phone.citizen.id}/messages`);
    messages.forEach((entry) => phone.show(entry));
    phone.isLoaded = true;
  }));
}

async function follow() {
  for (;;) {
    try {
      const account = await state.connection.get("/simulator/account");
      const { total } = await state.connection.get("/simulator/citizens?limit=0");
      display(account, total);
      if (!state.search && total !== state.total) await load();
    } catch {
      // The stream tells when the connection is lost; here the next turn tries again.
    }
    await pause(ACCOUNT_MILLISECONDS);
  }
}

function display(account, citizens) {
  const numbers = {
    citizens, inbound: account.inbound, accepted: account.accepted, delivered: account.delivered, read: account.read,
    failed: account.failed, peak: account.peak_1s, pending: account.webhooks.pending,
  };
  for (const [name, value] of Object.entries(numbers)) find(`count-${name}`).textContent = NUMBERS.format(value);
}

async function add(sharing) {
  const { citizens: [added] } = await state.connection.post("/simulator/citizens", { count: 1, ...sharing });
  state.search = find("search").value = "";
  state.offset = Math.floor((added.id - 1) / PER_PAGE) * PER_PAGE;
  await load();
  state.phones.get(added.id)?.element.querySelector("textarea").focus();
}

function turnTo(offset) {
  state.offset = offset;
  attempt(load, "Die Telefone konnten nicht gelesen werden.");
}

function listen() {
  for (const [id, step] of [["previous", -PER_PAGE], ["next", PER_PAGE]]) {
    find(id).addEventListener("click", (event) => {
      if (event.currentTarget.getAttribute("aria-disabled") !== "true") turnTo(Math.max(0, state.offset + step));
    });
  }
  find("phones").addEventListener("unread", count);
  for (const [id, sharing] of [["add", {}], ["add-unnumbered", { bsuid_only: 1 }]]) {
    find(id).addEventListener("click", () => attempt(() => add(sharing), "Das Telefon konnte nicht hinzugefügt werden."));
  }
  find("search-form").addEventListener("submit", (event) => event.preventDefault());
  find("search").addEventListener("input", () => {
    state.search = find("search").value.trim();
    turnTo(0);
  });
  find("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = encodeURIComponent(find("token").value);
  });
  window.addEventListener("hashchange", () => location.reload());
}

async function start() {
  listen();
  const token = decodeURIComponent(location.hash.slice(1));
  if (!token) {
    askForToken("In der Adresse steht kein Schlüssel.");
    return;
  }
  state.connection = new Connection(token);
  if (!(await attempt(load, "Die Telefone konnten nicht gelesen werden."))) return;
  for (const id of ["tools", "account"]) find(id).hidden = false;
  follow();
}

start();
