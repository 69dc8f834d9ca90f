// Keeps the page live: the broker sends its main part whenever it changes, and this script applies the differences. What a reader has in focus,
// has selected or is typing stays. Without this script the page is the same and reloads every ten seconds.
"use strict";

const live = document.getElementById("live");
const trouble = document.getElementById("trouble");
const freshness = document.getElementById("freshness");
let lastHeard = Date.now();

// Makes one element's children equal to another's and keeps unchanged ones: elements are the same when their keys, or their positions and names, are.
function morph(there, wanted) {
  const keyOf = node => node.nodeType === 1 ? node.dataset?.key ?? node.id ?? "" : "";
  const keyed = new Map([...there.childNodes].filter(node => keyOf(node)).map(node => [keyOf(node), node]));
  let place = there.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next);
    let same = key ? keyed.get(key) : place && !keyOf(place) && place.nodeName === next.nodeName ? place : null;
    if (same && same.nodeName !== next.nodeName) same = null;
    if (!same) {
      there.insertBefore(document.importNode(next, true), place);
      continue;
    }
    if (same !== place) there.insertBefore(same, place);
    else place = place.nextSibling;
    change(same, next);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function change(node, next) {
  if (node.nodeType !== 1) {
    if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
    return;
  }
  // Keeps what somebody is filling in.
  if (node.nodeName === "FORM" && node.contains(document.activeElement)) return;
  // Keeps open what somebody has opened.
  const opened = name => name === "open" && node.nodeName === "DETAILS";
  for (const { name } of [...node.attributes]) if (!next.hasAttribute(name) && !opened(name)) node.removeAttribute(name);
  for (const { name, value } of next.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  morph(node, next);
}

function say(text) {
  // Screen readers read an alert out when it changes, so it changes only when there is something new.
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = text === "";
  document.body.classList.toggle("behind", text !== "");
}

function listen() {
  const events = new EventSource(`${document.body.dataset.live ?? "/page/live"}${location.search}`);
  events.addEventListener("main", event => {
    lastHeard = Date.now();
    const { at, html } = JSON.parse(event.data);
    freshness.textContent = `As of ${at}`;
    morph(live, new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.firstChild);
    say("");
  });
  events.addEventListener("same", event => {
    lastHeard = Date.now();
    freshness.textContent = `As of ${JSON.parse(event.data).at}`;
    say("");
  });
  // An answer that is not an event stream closes it for good: the viewer is no longer signed in.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) say("The broker no longer knows who you are, or cannot answer: reload the page to sign in. What is shown is out of date.");
  });
  return events;
}

let events = null;
function follow() {
  events?.close();
  events = document.hidden ? null : listen();
  lastHeard = Date.now();
}

document.addEventListener("visibilitychange", follow);
setInterval(() => {
  if (!document.hidden && Date.now() - lastHeard > 5000) say(`The broker does not answer. What is shown is old: ${freshness.textContent.toLowerCase()}.`);
}, 1000);
follow();
