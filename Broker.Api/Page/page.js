// The DBA's page: asks the broker every second while it is looked at, and shows what it says. It changes nothing.
// Everything shown is set as text or attribute, never as markup: names come from tokens and databases.
"use strict";

const every = 1000;
const patience = 5000;
const mostHolders = 500;
const fewDatabases = 3;        // more than these are hard to keep in sight: an overview leads to each
const segments = ["reserved", "foreign", "granted", "free", "above"];
const stateOrder = ["active", "issuing", "retiring", "revoking", "unknown", "expired", "failed", "revoked"];
const stateSigns = { active: "●", issuing: "◔", retiring: "◑", revoking: "◕", unknown: "?", expired: "○", failed: "✕", revoked: "○" };

const page = {
  main: document.getElementById("databases"),
  trouble: document.getElementById("trouble"),
  overview: document.getElementById("overview"),
  freshness: document.getElementById("freshness"),
  template: document.getElementById("database"),
};
const open = new Set();        // ids of the leases whose holders are shown
const holders = new Map();     // lease id → its answer, or { error }
let answers = null;            // the last whole answer: { budgets, leases }
let answeredAt = 0;            // by this browser's clock
let clockAhead = 0;            // the broker's clock minus this browser's: ends are counted by the broker's (its Date header)
let failedBefore = false;

const now = () => Date.now() + clockAhead;
const number = new Intl.NumberFormat("en");
const count = (n, one, many = one + "s") => `${number.format(n)} ${n === 1 ? one : many}`;

async function ask(path) {
  // "no-cache" asks with the ETag of the last answer; an unchanged one comes back without its body.
  const answer = await fetch(path, { cache: "no-cache", headers: { accept: "application/json" }, signal: AbortSignal.timeout(patience) });
  if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
  const date = Date.parse(answer.headers.get("date"));
  // Date has whole seconds: on average half a second has gone since.
  if (!Number.isNaN(date) && Math.abs(date + 500 - now()) > 1500) clockAhead = date + 500 - Date.now();
  return answer.json();
}

async function look() {
  try {
    const [budgets, leases] = await Promise.all([ask("api/v1/budgets"), ask("api/v1/leases"), ...[...open].map(lookAtHolders)]);
    answers = { budgets: budgets.budgets, leases: leases.leases };
    answeredAt = Date.now();
    say(null);
  } catch (error) {
    say(error);
  }
  show();
}

async function lookAtHolders(id) {
  try {
    holders.set(id, await ask(`api/v1/leases/${encodeURIComponent(id)}`));
  } catch (error) {
    holders.set(id, { ...holders.get(id), error: error.status === 404 ? "The lease is gone." : "Its holders could not be asked for." });
  }
}

function say(error) {
  document.body.classList.toggle("behind", error !== null);
  if (error === null) {
    page.trouble.hidden = true;
    failedBefore = false;
    return;
  }
  const what = error.status === 401 ? "The broker does not know who you are any more: sign in again and reload the page."
    : error.status === 403 ? "You may not look at budgets: ask for a place in Broker:Identity:Viewers."
    : error.status ? `The broker cannot answer now (status ${error.status}).`
    : "The broker does not answer.";
  const text = answers ? `${what} What is shown is old: it was true at ${clock(answeredAt + clockAhead)}.` : what;
  // An alert is read out when it changes, so it changes only when it says something new.
  if (page.trouble.textContent !== text) page.trouble.textContent = text;
  page.trouble.hidden = false;
  failedBefore = true;
}

function clock(time) {
  return new Date(time).toLocaleTimeString("en-GB");
}

function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const since = time => time ? `${span(now() - Date.parse(time))} ago` : "never";
const until = time => !time ? "–" : Date.parse(time) <= now() ? "ended" : span(Date.parse(time) - now());

function show() {
  page.freshness.textContent = !answers ? (failedBefore ? "Nothing to show yet" : "Asking the broker…")
    : failedBefore ? `As of ${clock(answeredAt + clockAhead)}, ${span(Date.now() - answeredAt)} ago`
    : `As of ${clock(answeredAt + clockAhead)}`;
  if (!answers) return;
  const databases = [...answers.budgets].sort((a, b) => a.database.localeCompare(b.database));
  page.overview.hidden = databases.length <= fewDatabases;
  keep(page.overview, databases, budget => budget.database, makeGlance, showGlance);
  keep(page.main, databases, budget => budget.database, makeDatabase, showDatabase);
  if (databases.length === 0) page.main.append(element("p", "empty", "No database is configured."));
}

// Makes the children of a parent be those of the items, in order; a child that stays is changed, not replaced, so that
// focus, selection and what a screen reader is reading stay too.
function keep(parent, items, key, make, change) {
  const there = new Map([...parent.children].filter(child => child.dataset.key !== undefined).map(child => [child.dataset.key, child]));
  let place = parent.firstChild;
  for (const item of items) {
    const name = String(key(item));
    let child = there.get(name);
    there.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    change(child, item);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function put(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// What a DBA looks for first, by database.
function trouble(budget) {
  if (!budget.sampledAt) return "uncounted";
  if (budget.stale) return "stale";
  return budget.free <= 0 ? "exhausted" : "";
}

function makeGlance(budget) {
  const link = element("a", "glance");
  link.href = `#${encodeURIComponent(sectionId(budget))}`;
  link.append(element("span", "name"), element("span", "share"));
  return link;
}

function showGlance(link, budget) {
  const state = trouble(budget);
  link.className = `glance ${state}`;
  put(link.firstElementChild, budget.database);
  put(link.lastElementChild, `${number.format(budget.granted)}/${number.format(budget.capacity)}${state && ` ${state}`}`);
}

const sectionId = budget => `database-${budget.database}`;

function makeDatabase(budget) {
  const section = page.template.content.firstElementChild.cloneNode(true);
  const title = section.querySelector("h2");
  title.id = sectionId(budget);
  section.setAttribute("aria-labelledby", title.id);
  return section;
}

function showDatabase(section, budget) {
  const find = selector => section.querySelector(selector);
  const parts = {
    reserved: budget.reservedForSuperusers,
    foreign: budget.foreign,
    granted: budget.granted,
    free: Math.max(0, budget.free),
  };
  const used = parts.reserved + parts.foreign + parts.granted + parts.free;
  parts.above = Math.max(0, budget.limit - used);
  const whole = Math.max(budget.limit, used, 1);

  put(find("h2"), budget.database);
  put(find(".engine"), budget.engine);
  put(find(".sampled"), budget.sampledAt ? `counted ${since(budget.sampledAt)}` : "not counted yet");
  put(find(".waiting"), `${count(budget.waiting, "claim")} waiting`);
  find(".waiting").hidden = !(budget.waiting > 0);
  put(find(".stale"), budget.sampledAt ? "stale count: nothing new is granted" : "never counted: nothing is granted");
  find(".stale").hidden = !budget.stale;
  put(find(".exhausted"), "exhausted");
  find(".exhausted").hidden = trouble(budget) !== "exhausted";
  const over = budget.granted - budget.capacity;
  find(".sum").replaceChildren(element("strong", "", number.format(budget.granted)), ` of ${number.format(budget.capacity)} granted, `,
    element("strong", "", number.format(parts.free)), " free",
    ...(over > 0 ? [". ", element("strong", "over", `${number.format(over)} more than allowed`), ": foreign connections rose, or the ceiling was lowered"] : []));

  const numbers = [...section.querySelectorAll(".legend dd")];
  segments.forEach((name, i) => {
    const segment = find(`.segment.${name}`);
    segment.style.flexGrow = String(parts[name] / whole);
    segment.hidden = parts[name] === 0;
    put(segment.firstElementChild, number.format(parts[name]));
    put(numbers[i], number.format(parts[name]));
  });
  put(numbers[5], number.format(budget.limit));

  const promised = 100 * Math.min(1, (parts.reserved + parts.foreign + Math.max(0, budget.capacity)) / whole);
  const mark = find(".mark");
  mark.hidden = budget.limit === 0;
  mark.style.left = `${promised}%`;
  mark.classList.toggle("right", promised > 75);
  mark.classList.toggle("left", promised < 15);
  put(find(".flag"), `ceiling ${number.format(budget.ceiling)}`);
  find(".bar").setAttribute("aria-label",
    `Connections of ${budget.database}: limit ${budget.limit}, ceiling ${budget.ceiling}. ${parts.reserved} reserved for superusers, ` +
    `${parts.foreign} foreign, ${parts.granted} granted, ${parts.free} free, ${parts.above} above the ceiling.`);

  showRoles(find(".roles"), budget);
  showLeases(find(".leases"), budget.database);
}

// A table whose cells are named by their columns; the explicit roles keep it a table where rows are laid out as cards.
function table(parent, caption, columns) {
  let made = parent.querySelector(":scope > table");
  if (!made) {
    made = element("table");
    made.setAttribute("role", "table");
    made.append(element("caption"), element("thead"), element("tbody"));
    made.tHead.setAttribute("role", "rowgroup");
    made.tBodies[0].setAttribute("role", "rowgroup");
    const row = made.tHead.insertRow();
    row.setAttribute("role", "row");
    for (const [name, kind] of columns) {
      const head = element("th", kind, name);
      head.scope = "col";
      head.setAttribute("role", "columnheader");
      row.append(head);
    }
    parent.replaceChildren(made);
  }
  put(made.caption, caption);
  return made.tBodies[0];
}

function makeRow(columns) {
  const row = element("tr");
  row.setAttribute("role", "row");
  columns.forEach(([name, kind], i) => {
    const cell = element(i === 0 ? "th" : "td", kind);
    if (i === 0) cell.scope = "row";
    cell.setAttribute("role", i === 0 ? "rowheader" : "cell");
    cell.dataset.column = name;
    row.append(cell);
  });
  return row;
}

function fill(row, texts) {
  texts.forEach((text, i) => { if (text !== undefined) put(row.cells[i], text); });
}

const roleColumns = [["Role", ""], ["Holders", "n"], ["Expected", "n"], ["Connections", "n"]];

function showRoles(parent, budget) {
  if (!budget.roles?.length) return parent.replaceChildren();
  const body = table(parent, "Roles", roleColumns);
  keep(body, budget.roles, role => role.role, () => makeRow(roleColumns), (row, role) => fill(row, [
    role.role, number.format(role.holders), role.expectedHolders ? number.format(role.expectedHolders) : "–", number.format(role.connections)]));
}

const leaseColumns = [["State", ""], ["Role", ""], ["User name", "user"], ["Holders", "n"], ["Connections", "n"],
  ["Issued", "time"], ["Expires in", "time"], ["Verified", "time"]];

function showLeases(parent, database) {
  const word = lease => lease.state.toLowerCase();
  const leases = answers.leases.filter(lease => lease.database === database).sort((a, b) =>
    stateOrder.indexOf(word(a)) - stateOrder.indexOf(word(b)) || String(b.issuedAt ?? "").localeCompare(String(a.issuedAt ?? "")) || a.id.localeCompare(b.id));
  if (leases.length === 0) return parent.replaceChildren(element("p", "note", "No lease: nobody has asked for a role of this database yet."));

  const rows = leases.flatMap(lease => open.has(lease.id) ? [{ lease }, { lease, inside: true }] : [{ lease }]);
  const body = table(parent, "Leases", leaseColumns);
  keep(body, rows, row => `${row.inside ? "holders" : "lease"} ${row.lease.id}`,
    row => row.inside ? makeHolders(row.lease) : makeLease(row.lease),
    (row, item) => item.inside ? showHolders(row, item.lease) : showLease(row, item.lease));
}

function makeLease(lease) {
  const row = makeRow(leaseColumns);
  const button = element("button", "toggle");
  button.type = "button";
  button.addEventListener("click", () => {
    if (!open.delete(lease.id)) {
      open.add(lease.id);
      lookAtHolders(lease.id).then(show);
    }
    show();
  });
  row.cells[0].append(element("span", "state"), element("span", "reason"));
  row.cells[3].append(button);
  return row;
}

function showLease(row, lease) {
  const state = lease.state.toLowerCase();
  put(row.querySelector(".state"), `${stateSigns[state] ?? "·"} ${state}`);
  put(row.querySelector(".reason"), lease.reason ?? "");
  fill(row, [undefined, lease.role, lease.username ?? "–", undefined, number.format(lease.connections),
    lease.issuedAt ? since(lease.issuedAt) : "not yet", until(lease.expiresAt), lease.verifiedAt ? since(lease.verifiedAt) : "not yet"]);
  row.cells[1].title = lease.pool ? `pool ${lease.pool}` : "";
  row.cells[5].title = lease.issuedAt ?? "";
  row.cells[6].title = lease.expiresAt ?? "";
  row.cells[7].title = lease.verifiedAt ?? "";
  const button = row.querySelector("button");
  put(button, number.format(lease.holders));
  button.setAttribute("aria-expanded", String(open.has(lease.id)));
  button.setAttribute("aria-label", `${count(lease.holders, "holder")} of ${lease.username ?? "the lease of " + lease.role}`);
}

const holderColumns = [["Holder", ""], ["Connections", "n"], ["Ends in", "time"]];

function makeHolders(lease) {
  const row = element("tr", "holders");
  row.setAttribute("role", "row");
  const cell = row.insertCell();
  cell.setAttribute("role", "cell");
  cell.colSpan = leaseColumns.length;
  const list = element("div", "list");
  list.tabIndex = 0; // it scrolls, so the keyboard has to get there
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", `Holders of ${lease.username ?? lease.role}`);
  cell.append(list, element("p", "note"));
  return row;
}

function showHolders(row, lease) {
  const [list, note] = row.cells[0].children;
  const answer = holders.get(lease.id);
  const all = answer?.holderList;
  const shown = all?.slice(0, mostHolders);
  const hidden = Math.max(0, lease.holders - (shown?.length ?? 0));
  put(note, answer?.error ?? (!all ? "Asking…" : shown.length === 0 ? "Nobody holds this lease now."
    : hidden > 0 ? `${count(hidden, "holder")} that end later are not shown.` : ""));
  if (!all?.length) return list.replaceChildren();
  const body = table(list, `Holders of ${lease.username ?? lease.role}`, holderColumns);
  keep(body, shown, holder => holder.id, () => makeRow(holderColumns), (one, holder) => {
    fill(one, [holder.caller, number.format(holder.connections), holder.waiting ? "waits for the lease" : until(holder.endsAt)]);
    one.cells[0].title = holder.id;
    one.cells[2].title = holder.endsAt ?? "";
  });
}

// One look at a time, a second after the last was answered; none while nobody looks.
let timer = 0;
async function watch() {
  clearTimeout(timer);
  timer = 0;
  if (document.hidden) return;
  await look();
  clearTimeout(timer);
  timer = setTimeout(watch, every);
}

document.addEventListener("visibilitychange", watch);
watch();
