"use strict";
// The page works without this file: forms decide, links move. Here keys press its buttons, and a
// class shows where the network looked.

document.documentElement.classList.add("has-script");

// ---- Keys ----

let isLeaving = false; // a second key on the way to the next photo would decide about this one

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isLeaving) return;
  if (event.target.closest("input")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const field = find("focusKey", name);
  if (field) {
    event.preventDefault();
    return field.focus();
  }
  const control = find("key", name);
  if (!control) return;
  event.preventDefault();
  control.click();
});

function find(kind, name) {
  const all = document.querySelectorAll("[data-key], [data-focus-key]");
  return [...all].find((each) => each.dataset[kind] === name);
}

document.addEventListener("submit", (event) => {
  if (isLeaving) return event.preventDefault();
  isLeaving = true;
});
addEventListener("pageshow", () => {
  isLeaving = false;
});

// ---- Where the network looked ----

const picture = document.getElementById("picture");
const words = document.getElementById("overlay");
const found = new Map(); // address of a map -> what the server answered

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-overlay]");
  if (button) toggle(button);
});

async function toggle(button) {
  const isShown = button.getAttribute("aria-pressed") === "true";
  for (const each of document.querySelectorAll("[data-overlay]")) {
    each.setAttribute("aria-pressed", "false");
  }
  picture.querySelector(".map")?.remove();
  words.textContent = "";
  if (isShown) return;
  button.setAttribute("aria-pressed", "true");
  const address = button.dataset.overlay;
  try {
    if (!found.has(address)) {
      words.textContent = "Looking …";
      found.set(address, JSON.parse(await ask(address)));
    }
    if (button.getAttribute("aria-pressed") === "true") await show(found.get(address));
  } catch (error) {
    words.textContent = error.message;
  }
}

async function show(overlay) {
  const map = new Image();
  map.className = "map";
  map.alt = "";
  map.src = overlay.map;
  await map.decode();
  picture.querySelector(".map")?.remove();
  place(map);
  picture.append(map);
  words.textContent = overlay.words;
}

// The map is of the photo's central square, which has a margin in the room for the photo.
function place(map) {
  const photo = picture.querySelector(".photo");
  const width = photo.naturalWidth;
  const height = photo.naturalHeight;
  const scale = Math.min(photo.clientWidth / width, photo.clientHeight / height);
  map.style.width = map.style.height = `${scale * Math.min(width, height)}px`;
}

addEventListener("resize", () => {
  const map = picture?.querySelector(".map");
  if (map) place(map);
});

async function ask(address) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

// ---- Photos ----

const photo = picture?.querySelector(".photo");
if (photo) {
  photo.addEventListener("error", () => tellGone());
  if (photo.complete && !photo.naturalWidth) tellGone(); // it failed before this ran
}

// A photo that was moved, deleted or changed since it was judged: the server says which.
async function tellGone() {
  const told = document.createElement("p");
  told.className = "gone";
  told.textContent = await ask(photo.src).then(() => "This photo did not come; load the page again.", (e) => e.message);
  picture.replaceChildren(told);
}

const next = document.querySelector("[data-next]")?.dataset.next;
if (next) new Image().src = next; // so that it is there when the next page is
