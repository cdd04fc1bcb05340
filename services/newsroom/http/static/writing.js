// Everything works without this script: it shows the preview while somebody writes, and saves by itself.
"use strict";

const form = document.querySelector("form[data-autosave]");
const preview = document.querySelector("[data-preview-target]");
const [pending, saved, login] = ["pending", "saved", "login"].map((each) => form.querySelector(`[data-${each}]`));

let shown = 0;
async function showPreview() {
  const turn = ++shown;
  const answer = await fetch(form.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (answer.ok && turn === shown) preview.innerHTML = await answer.text();
}

const SAVE_AFTER = 5000;
const RETRY_AFTER = 3000;
const TIMEOUT = 10000;
let waiting, due;
let unsaved = false;
let isUnderWay = false;
let isRefused = false;
let lost = "";  // why nothing is taken from this page any more
let needsLogin = false;
let mustStay = false;  // no page shows what was written by somebody who may not write any more
let isPassing = false;
let unanswered = null;  // it may be stored: what is said again is the same, before anything else
form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => showPreview().catch(() => {}), 400);
  unsaved = true;
  tellPending("Noch nicht gespeichert.");
  planSave(SAVE_AFTER);
});

// What stands there is never better than it is; read aloud is only what came of it, not every letter.
function tellPending(words) {
  document.querySelector("[data-until-written]")?.classList.add("nw-past");
  if (saved.classList.contains("nw-problem")) return;
  saved.textContent = "";
  pending.textContent = words;
}
function tell(words, isProblem) {
  pending.textContent = "";
  saved.classList.toggle("nw-problem", isProblem);
  saved.textContent = words;
  login.hidden = !needsLogin;
}

// A field with a date but no time says the same as an empty one: nobody may take the one for the other. The browser's own
// check would also stop what may be stored without it.
form.noValidate = true;
const half = form.querySelector("[data-half-date]").content.firstElementChild;
function findHalfDate() {
  const dates = [...form.querySelectorAll("input[type=datetime-local]")];
  dates.forEach((field) => markDate(field, field.validity.badInput));
  return dates.find((field) => field.validity.badInput);
}
function markDate(field, isHalf) {
  const line = half.cloneNode(true);
  line.id = `${field.id}-half`;
  document.getElementById(line.id)?.remove();
  if (isHalf) field.after(line);
  const described = (field.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== line.id);
  field.setAttribute("aria-describedby", [...described, ...(isHalf ? [line.id] : [])].join(" "));
  const isWrong = isHalf || described.includes(`${field.id}-error`);
  field.setAttribute("aria-invalid", isWrong);
  field.classList.toggle("kern-form-input__input--error", isWrong);
}
form.addEventListener("input", ({ target }) => {
  if (document.getElementById(`${target.id}-half`) && !target.validity.badInput) markDate(target, false);
});

// One after the other, so that each names the version that the one before has made.
let saving = Promise.resolve();
function planSave(milliseconds) {
  clearTimeout(due);
  // Whoever is still typing a date is not told yet that it is half.
  due = setTimeout(() => (document.activeElement?.validity?.badInput ? planSave(milliseconds) : beginSave()), milliseconds);
}
function beginSave() {
  clearTimeout(due);
  saving = saving.then(save).catch(tellAway);
}
function tellAway() {
  unsaved = true;
  tell("Noch nicht gespeichert: keine Verbindung. Es wird von selbst wieder versucht.", true);
  planSave(RETRY_AFTER);
}
async function save() {
  if (findHalfDate()) {
    tell("Noch nicht gespeichert: Ein Zeitpunkt ist unvollständig.", true);
    return;
  }
  const repeated = unanswered;
  if (!repeated) {
    unanswered = new URLSearchParams(new FormData(form));
    unanswered.set("then", "autosave");
    unsaved = false;
  }
  isUnderWay = true;  // until the version that came of it is on the page
  tellPending("Wird gespeichert …");
  try {
    let answer = await send(unanswered);
    lost = isOfNobody(answer) ? await renewLogin() : "";
    if (isOfNobody(answer) && !lost) {
      unanswered.set("csrf", form.elements.csrf.value);
      answer = await send(unanswered);
    }
    unanswered = null;
    await tellAnswer(answer);
  } finally {
    isUnderWay = false;
  }
  if (repeated && unsaved) await save();
}
async function send(body) {
  // `keepalive`: whoever leaves the page meanwhile loses nothing.
  const answer = await fetch(form.action, { method: "POST", body, keepalive: true, signal: AbortSignal.timeout(TIMEOUT) });
  if (answer.status >= 500) throw new Error(answer.status);
  return answer;
}
function isOfNobody(answer) {
  return answer.redirected || answer.status === 401 || answer.status === 403;
}
// Whoever has logged in again in another window goes on here; what they have written is not saved for anybody else. Returns
// why not.
async function renewLogin() {
  const answer = await fetch(`${form.action}?bearbeiten=1`, { signal: AbortSignal.timeout(TIMEOUT) });
  if (answer.status >= 500) throw new Error(answer.status);
  needsLogin = answer.redirected && new URL(answer.url).pathname === login.querySelector("a").pathname;
  const shown = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("form[data-autosave]");
  mustStay = !shown;
  if (needsLogin) return "Sie sind abgemeldet.";
  if (!shown) return "Sie dürfen hier nicht mehr schreiben. Kopieren Sie Ihren Text.";
  if (shown.dataset.account !== form.dataset.account) return "In diesem Browser ist jetzt jemand anderes angemeldet.";
  document.querySelectorAll("input[name=csrf]").forEach((each) => (each.value = shown.elements.csrf.value));
  return "";
}
async function tellAnswer(answer) {
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  if (answer.ok && isJson && !answer.redirected) {
    const { version } = await answer.json();
    isRefused = needsLogin = mustStay = false;
    document.querySelectorAll("input[name=version]").forEach((each) => (each.value = version));
    tell(`Gespeichert um ${new Date().toLocaleTimeString("de-DE", { timeStyle: "short" })} Uhr.`, false);
    if (unsaved) tellPending("Noch nicht gespeichert.");
    return;
  }
  unsaved = isRefused = true;
  if (lost) {
    tell(`Noch nicht gespeichert: ${lost}`, true);
  } else if (!isJson) {
    tell("Noch nicht gespeichert. Bitte speichern Sie selbst.", true);
  } else {
    const { refused } = await answer.json();
    tell(
      refused
        ? `Noch nicht gespeichert. ${refused}`
        : "Noch nicht gespeichert: Jemand anderes hat den Entwurf geändert. Speichern Sie, um beide Stände zu sehen.",
      true,
    );
  }
}

form.addEventListener("change", beginSave);
window.addEventListener("online", () => unsaved && beginSave());
window.addEventListener("focus", () => lost && beginSave());
window.addEventListener("beforeunload", (event) => {
  if (!unsaved || settled) return;
  if (isUnderWay || isRefused || !navigator.onLine || findHalfDate()) event.preventDefault();
  else beginSave();
});
document.addEventListener("visibilitychange", () => document.hidden && unsaved && beginSave());

// Whoever presses a button while it saves by itself names the version that comes of it; without a connection or a login the
// page, and what is written on it, stays.
let settled = false;
form.addEventListener("submit", (event) => {
  const wrong = findHalfDate();
  if (settled && !wrong) return;
  event.preventDefault();
  settled = false;
  if (wrong) {
    wrong.focus();
    return;
  }
  const { submitter } = event;
  clearTimeout(due);
  saving = saving
    .then(save)
    .then(() => mustStay || setTimeout(() => {  // a form that is being submitted cannot be submitted again
      settled = true;
      form.requestSubmit(submitter);
    }))
    .catch(tellAway);
});

// The other buttons of the page name the version, too; without a connection, or a login of the same account, the page stays.
// Where saving is refused the browser asks whether to leave.
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target === form || isPassing || !(unsaved || isUnderWay)) return;
  event.preventDefault();
  if (unsaved) beginSave();
  saving.then(() => {
    if (unsaved && (!isRefused || lost)) return;
    isPassing = true;
    target.requestSubmit(submitter);
    isPassing = false;
  });
});

// A fast writer, or a browser that restores what was written, may be there before this script.
const asSent = form.cloneNode(true);
asSent.reset();
const [now, before] = [form, asSent].map((each) => new URLSearchParams(new FormData(each)).toString());
if (now !== before || findHalfDate()) ["input", "change"].forEach((kind) => form.dispatchEvent(new Event(kind)));
