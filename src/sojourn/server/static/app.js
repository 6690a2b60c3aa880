/** The console: who is here, which view, and what goes where. */

import { Problem, Stream, call } from "./api.js";
import { $, put } from "./dom.js";
import * as feed from "./feed.js";
import { tick, words } from "./format.js";
import * as panels from "./panels.js";
import * as table from "./table.js";

const VIEWS = ["start", "failed", "sign-in", "no-role", "console"];
const HANDLE = /^#([0-9a-f]{32})$/;

/** @type {Stream|null} */
let stream = null;
let tries = 0;
let retryTimer = 0;

/** @param {string} view */
function show(view) {
  for (const name of VIEWS) $(`view-${name}`).hidden = name !== view;
  const isInside = view === "console";
  for (const id of ["live", "keys"]) $(id).hidden = !isInside;
  for (const id of ["me", "sign-out"]) $(id).hidden = !isInside && view !== "no-role";
  document.title = isInside ? "Sessions · Sojourn" : "Sojourn";
  if (isInside) return;
  stream?.close();
  stream = null;
  $("banner").hidden = true;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/** Asks who is signed in and shows what that person may see. */
async function begin() {
  clearTimeout(retryTimer);
  let user;
  try {
    user = (await call("GET", "_session")).userCtx;
  } catch (problem) {
    return unreachable(/** @type {Problem} */ (problem));
  }
  tries = 0;
  put($("me"), user.name ?? "");
  if (user.name === null) return signIn();
  if (!user.roles.includes("_admin")) {
    put($("no-role-name"), user.name);
    return show("no-role");
  }
  if (stream) return undefined;
  show("console");
  feed.clear();
  stream = new Stream("sessions/events", heard, connection);
  await table.search(new URL(location.href).searchParams.get("q") ?? "");
  openFromAddress();
  return undefined;
}

/** @param {Problem} problem */
function unreachable(problem) {
  if (stream) return; // the banner says it already, and what was loaded stays readable
  const wait = Math.min(30, 2 ** ++tries);
  put($("failed-text"), `${problem.message} Trying again every few seconds.`);
  show("failed");
  retryTimer = setTimeout(begin, wait * 1000);
}

/** @param {string} [note] why the form is here */
function signIn(note = "") {
  show("sign-in");
  $("sign-in-note").hidden = !note;
  put($("sign-in-note"), note);
  $("sign-in-problem").hidden = true;
  $("name").focus();
}

$("sign-in-form").onsubmit = async (/** @type {Event} */ event) => {
  event.preventDefault();
  $("sign-in-button").disabled = true;
  $("sign-in-problem").hidden = true;
  try {
    await call("POST", "_session", { name: $("name").value, password: $("password").value });
    $("password").value = "";
    await begin();
  } catch (problem) {
    put($("sign-in-problem"), /** @type {Problem} */ (problem).message);
    $("sign-in-problem").hidden = false;
    $("password").select();
  } finally {
    $("sign-in-button").disabled = false;
  }
};

async function signOut() {
  try {
    await call("DELETE", "_session");
    signIn("You are signed out.");
  } catch (problem) {
    $("banner").hidden = false;
    put($("banner-text"), `You are still signed in. ${/** @type {Problem} */ (problem).message}`);
  }
}

/** @param {any} event */
function heard(event) {
  feed.hear(event);
  if (event.event !== "session_ended") {
    table.refresh();
    return;
  }
  const isMine = table.isMine(event.handle);
  table.end(event.handle, event.reason);
  // The stream would be refused from now on; to say why is kinder than an error.
  if (isMine) signIn(`Your own session ended: ${words(event.reason)}.`);
  else if (event.uid === $("me").textContent) begin(); // it may be ours, beyond what the list shows
}

/** @param {"connecting"|"live"|"waiting"} state @param {number} wait */
function connection(state, wait) {
  const wasDown = !$("banner").hidden;
  $("live").dataset.state = state;
  put($("live-text"), { connecting: "Connecting", live: "Live", waiting: "Offline" }[state]);
  if (state === "waiting") {
    put($("banner-text"), "The connection is lost; what you see may be out of date. " +
      `Trying again ${wait < 3000 ? "now" : `in ${Math.round(wait / 1000)} s`}.`);
    $("banner").hidden = false;
    document.body.classList.add("stale");
    begin(); // an ended session looks like a lost connection: ask which it is
  } else if (state === "live") {
    $("banner").hidden = true;
    document.body.classList.remove("stale");
    if (wasDown) feed.hear({ event: "gap_noticed", at: Date.now() });
    table.refresh();
  }
}

table.on.open = (session) => panels.openDetail(session.handle);
table.on.revoke = panels.askOne;
table.on.refused = begin;
table.on.loaded = () => {
  const { count, users, ending } = table.facts;
  put($("n-live"), count.toLocaleString("en"));
  const who = users === null ? "" : `${users} user${users === 1 ? "" : "s"} signed in`;
  put($("n-live-note"), [who, ending ? `${ending} ending within the hour` : ""].filter(Boolean).join(", ") || "\u00a0");
  $("revoke-others").disabled = count < 2;
};

/** A handle in the address opens that session; Back closes it. */
function openFromAddress() {
  const [, handle] = HANDLE.exec(location.hash) ?? [];
  if (handle && stream) panels.openDetail(handle);
  else if ($("detail").open) $("detail").close();
}
addEventListener("popstate", openFromAddress);

let typing = 0;
$("search").oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(() => table.search($("search").value), 200);
};
$("search-form").onsubmit = (/** @type {Event} */ event) => event.preventDefault();
$("more").onclick = table.more;
$("revoke-others").onclick = () => panels.askOthers(table.facts.count);
$("sign-out").onclick = signOut;
$("no-role-sign-out").onclick = signOut;
$("failed-retry").onclick = begin;
$("banner-retry").onclick = () => stream?.retry();
$("keys").onclick = () => $("help").showModal();

/** Storage is a courtesy: private windows may refuse it. @param {string} key @param {string} [value] */
function remember(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(`sojourn.${key}`, value);
    return localStorage.getItem(`sojourn.${key}`);
  } catch {
    return null;
  }
}

const THEMES = /** @type {const} */ ({ auto: "automatic", light: "light", dark: "dark" });
/** @param {keyof typeof THEMES} theme */
function paintTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  put($("theme"), theme[0].toUpperCase() + theme.slice(1));
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
}
$("theme").onclick = () => {
  const names = /** @type {(keyof typeof THEMES)[]} */ (Object.keys(THEMES));
  const theme = /** @type {any} */ (document.documentElement.dataset.theme) ?? "auto";
  const chosen = names[(names.indexOf(theme) + 1) % names.length];
  remember("theme", chosen);
  paintTheme(chosen);
};
paintTheme(/** @type {any} */ (document.documentElement.dataset.theme) ?? "auto");

// One-key shortcuts can be switched off (WCAG 2.1.4): speech input would trigger them.
$("keys-on").checked = remember("keys") !== "off";
$("keys-on").onchange = () => remember("keys", $("keys-on").checked ? "on" : "off");
/** @type {Record<string, () => void>} */
const SHORTCUTS = {
  "/": () => $("search").focus(),
  "?": () => $("help").showModal(),
  j: () => table.move(1),
  k: () => table.move(-1),
  r: () => {
    const session = table.focused();
    if (session) panels.askOne(session);
  },
};
addEventListener("keydown", (event) => {
  const field = /** @type {HTMLElement} */ (event.target);
  if (event.key === "Escape" && field.id === "search") {
    if ($("search").value) table.search("");
    else field.blur();
    return;
  }
  const isTyping = field.matches("input, select, textarea") || document.querySelector("dialog[open]");
  if (isTyping || !stream || !$("keys-on").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = SHORTCUTS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

setInterval(tick, 5000);
begin();
