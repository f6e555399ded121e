"use strict";
// The page works without this file: words and files are sent by forms, and results come in pages.
// Here the pages become one, of which only what is near the screen is in the document.

const status = document.getElementById("status");
document.documentElement.classList.add("has-script");

function say(text, problem = false) {
  status.textContent = text;
  status.classList.toggle("problem", problem);
}

// ---- Results, a page at a time ----

const results = document.getElementById("results");
const pages = results ? layOutPages(results) : null;

function layOutPages(results) {
  const total = Number(results.dataset.total);
  const size = Number(results.dataset.pageSize);
  const given = results.querySelector(".tiles");
  const first = Number(given.dataset.page);
  const lists = [];
  for (let page = 1; page <= Math.ceil(total / size); page++) {
    const list = page === first ? given : emptyList(page);
    list.dataset.count = Math.min(size, total - (page - 1) * size);
    lists.push(list);
  }
  results.append(...lists);
  measure();
  new ResizeObserver(measure).observe(results);
  const near = new IntersectionObserver(
    (entries) => entries.forEach((e) => (e.isIntersecting ? soon(e.target) : leave(e.target))),
    { rootMargin: "100% 0px" },
  );
  if (first > 1) given.scrollIntoView();
  lists.forEach((list) => near.observe(list));
  return lists;

  // Every tile has the same height, so an empty list can be as high as a full one.
  function measure() {
    const tile = results.querySelector(".tile");
    if (!tile) return;
    const style = getComputedStyle(tile.parentElement);
    const columns = style.gridTemplateColumns.split(" ").length;
    const gap = parseFloat(style.rowGap);
    for (const list of lists) {
      const rows = Math.ceil(list.dataset.count / columns);
      list.style.setProperty("--height", `${rows * (tile.offsetHeight + gap)}px`);
    }
  }
}

function emptyList(page) {
  const list = document.createElement("ol");
  list.className = "tiles";
  list.setAttribute("role", "list");
  list.dataset.page = page;
  return list;
}

const waiting = new WeakMap(); // list -> what stops its being filled

// A list that only flies by while someone scrolls far is not asked for.
function soon(list) {
  if (list.childElementCount || waiting.has(list)) return;
  const control = new AbortController();
  const timer = setTimeout(() => fill(list, control), 120);
  control.signal.addEventListener("abort", () => clearTimeout(timer));
  waiting.set(list, control);
  list.setAttribute("aria-busy", "true");
}

function leave(list) {
  waiting.get(list)?.abort();
  waiting.delete(list);
  list.removeAttribute("aria-busy");
  if (!list.contains(document.activeElement)) list.replaceChildren();
}

async function fill(list, control) {
  try {
    const html = await ask(`${results.dataset.more}&page=${list.dataset.page}`, control.signal);
    if (control.signal.aborted) return; // it left the screen while its text came in
    const parsed = document.createElement("template");
    parsed.innerHTML = html; // from the same template as the page itself, every value escaped
    list.replaceChildren(parsed.content);
  } catch (error) {
    if (control.signal.aborted) return;
    offerRetry(list, error);
  }
  waiting.delete(list);
  list.removeAttribute("aria-busy");
}

function offerRetry(list, error) {
  const item = document.createElement("li");
  item.className = "retry";
  const button = document.createElement("button");
  button.textContent = "Try again";
  button.addEventListener("click", () => (list.replaceChildren(), soon(list)));
  item.append(`These photos did not come: ${error.message} `, button);
  list.replaceChildren(item);
}

async function ask(url, signal, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { signal, ...options });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("the server does not answer; is it still running?");
  }
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

// ---- Overlay: where the network looked, asked for when someone stays on a photo ----

const STAY_MS = 200;
let shown = null; // the picture that is pointed at or in focus
const loading = new WeakMap(); // picture -> what stops its map's being asked for

function showOverlay(picture) {
  if (picture === shown) return;
  hideOverlay();
  shown = picture;
  begin(picture, STAY_MS);
}

function begin(picture, delay) {
  const map = picture.querySelector(".map");
  if (map) return reveal(picture, map);
  loading.get(picture)?.abort();
  const control = new AbortController();
  const timer = setTimeout(() => loadOverlay(picture, control.signal), delay);
  control.signal.addEventListener("abort", () => clearTimeout(timer));
  loading.set(picture, control);
}

async function loadOverlay(picture, signal) {
  const words = picture.querySelector(".overlay");
  try {
    words.textContent = "Looking …";
    const overlay = JSON.parse(await ask(picture.dataset.overlay, signal));
    const map = new Image();
    map.className = "map";
    map.alt = "";
    map.src = overlay.map;
    await map.decode();
    if (signal.aborted) return;
    picture.querySelector(".photo").after(map);
    picture.dataset.words = overlay.words;
    words.classList.toggle("above", overlay.above); // so as not to hide what it speaks of
    reveal(picture, map);
  } catch (error) {
    if (!signal.aborted) words.textContent = error.message;
  }
}

function reveal(picture, map) {
  // The style before is taken in first, so that the change is seen to happen.
  void map.offsetWidth;
  map.classList.add("shown");
  picture.querySelector(".overlay").textContent = picture.dataset.words;
  if (isPinned(picture)) aloud.textContent = picture.dataset.words;
}

function hideOverlay() {
  const picture = shown;
  shown = null;
  if (picture && !isPinned(picture)) conceal(picture);
}

function conceal(picture) {
  loading.get(picture)?.abort();
  picture.querySelector(".map")?.classList.remove("shown");
  picture.querySelector(".overlay").textContent = "";
}

function pin(picture, pinned) {
  picture.setAttribute("aria-pressed", String(pinned));
  if (pinned) begin(picture, 0);
  else conceal(picture);
}

const aloud = document.getElementById("aloud");
const isPinned = (picture) => picture.getAttribute("aria-pressed") === "true";
const pictureOf = (event) => event.target.closest?.(".picture");

if (results) {
  results.addEventListener("pointerover", (event) => {
    const picture = pictureOf(event);
    if (picture && event.pointerType === "mouse") showOverlay(picture);
  });
  results.addEventListener("pointerout", (event) => {
    const picture = pictureOf(event);
    if (picture && !picture.contains(event.relatedTarget)) hideOverlay();
  });
  results.addEventListener("focusin", (event) => {
    const picture = pictureOf(event);
    if (picture) showOverlay(picture);
  });
  results.addEventListener("focusout", (event) => pictureOf(event) && hideOverlay());
  results.addEventListener("click", (event) => {
    const picture = pictureOf(event);
    if (picture) pin(picture, !isPinned(picture));
  });
  results.addEventListener("error", (event) => markGone(event.target), true);
  for (const image of results.querySelectorAll(".photo")) {
    if (image.complete && !image.naturalWidth) markGone(image); // it failed before this ran
  }
  results.addEventListener("keydown", moveByArrow);
}

// A photo that was moved, deleted or changed since it was indexed: the server says which.
async function markGone(image) {
  if (!image.classList?.contains("photo")) return;
  const picture = image.parentElement;
  if (picture.classList.contains("gone")) return;
  picture.classList.add("gone");
  const why = document.createElement("span");
  why.className = "why";
  picture.append(why);
  try {
    await ask(image.src);
    why.textContent = "This photo did not come; load the page again.";
  } catch (error) {
    why.textContent = error.message;
  }
}

function moveByArrow(event) {
  const picture = pictureOf(event);
  if (!picture || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.key === "Escape") {
    shown = null;
    pin(picture, false);
    return;
  }
  const list = picture.closest(".tiles");
  const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step) return;
  const all = [...results.querySelectorAll(".picture")];
  const target = all[all.indexOf(picture) + step];
  if (!target) return;
  event.preventDefault();
  target.focus();
}

// ---- A photo that is dropped, pasted or chosen ----

const form = document.getElementById("drop");
const target = document.getElementById("target");
const chooser = document.getElementById("photo");

async function send(file) {
  const limit = Number(form.dataset.maxBytes);
  if (!file) return say("That is no file; drop a photo from a folder.", true);
  if (file.size > limit) {
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
    return say(`${file.name} has ${megabytes(file.size)}; at most ${megabytes(limit)} are read.`, true);
  }
  say(`Looking at ${file.name || "the photo"} …`);
  const body = new FormData();
  body.append("photo", file, file.name || "pasted photo");
  try {
    const headers = { Accept: "application/json" };
    const answer = await ask(form.action, null, { method: "POST", body, headers });
    location.assign(JSON.parse(answer).url);
  } catch (error) {
    say(error.message, true);
  }
}

const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0; // dragenter and dragleave come for every element on the way

document.addEventListener("dragenter", (event) => {
  if (!holdsFile(event)) return;
  depth++;
  target.hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (holdsFile(event) && --depth <= 0) endDrag();
});
document.addEventListener("dragover", (event) => holdsFile(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!holdsFile(event)) return;
  event.preventDefault();
  endDrag();
  send(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (!file) return; // words are pasted into the field as usual
  event.preventDefault();
  send(file);
});
chooser.addEventListener("change", () => chooser.files.length && send(chooser.files[0]));

function endDrag() {
  depth = 0;
  target.hidden = true;
}

// An address to share holds what was asked, and no empty fields.
document.getElementById("ask").addEventListener("submit", (event) => {
  const words = event.target.elements.q;
  const like = event.target.elements.like;
  if (like && words.value) like.disabled = true; // words asked now replace the photo asked before
  for (const field of event.target.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const field of document.getElementById("ask").elements) field.disabled = false;
  chooser.value = "";
});
