// The plain page at `/`: a shop in front of the order interface, for people who want to see an order live.
// It uses only the public interface, decides nothing itself, and keeps no state but the user's number.
import { el, recall, remember, speak } from "/assets/common/dom.js";
import { move, Problem, read } from "./api.js";
import { drawOrders, OrderBook } from "./orders.js";
import { drawProducts, loadProducts, purchase, validQuantity } from "./products.js";
import { WORDS } from "./words.js";

const USER_KEY = "doos.user";
const DEMO_USER = "42";
const ORDERS_PAGE_SIZE = 20;
const NOTICES_MAX = 3;
const NOTICE_TIME_MS = 6_000;
const RECONNECT_MIN_MS = 1_000;
const RECONNECT_MAX_MS = 30_000;
// Stock is read again after orders move, at most this often, however many orders move.
const STOCK_PAUSE_MS = 1_000;

const $ = (id) => document.getElementById(id);
const voice = speak(WORDS);
const book = new OrderBook();
let products = [];
let user = recall(USER_KEY) || DEMO_USER;
let olderToken = "";
// `/orders/ID` in a browser is this page with that order marked.
const asked = /^\/orders\/([^/]+)$/.exec(location.pathname)?.[1];

/** Shows one notice; a newer one about the same intent takes the older one's place. */
function notify(kind, about, ...content) {
  const box = $("notices");
  for (const old of [...box.children]) if (old.dataset.about === about) old.remove();
  const node = el("div", { class: `notice ${kind}`, role: kind === "problem" ? "alert" : "status", dataset: { about } },
    el("div", {}, ...content),
    el("button", { type: "button", "aria-label": voice.t("dismiss"), onclick: () => node.remove() }, "×"));
  box.append(node);
  while (box.children.length > NOTICES_MAX) box.firstChild.remove();
  if (kind !== "problem") setTimeout(() => node.remove(), NOTICE_TIME_MS);
}

function complain(about, problem) {
  // Anything but a refusal is a fault of this page and belongs in the console, with its stack.
  if (!(problem instanceof Problem)) throw problem;
  const detail = problem.status === 0 ? voice.t("unreachable") : problem.detail;
  const text = el("p", {}, el("code", { class: "code" }, problem.code), detail);
  notify("problem", about, text, problem.unknown ? el("p", {}, voice.t("unknown_outcome")) : null);
}

// --- Products

async function refreshProducts(relabel = false) {
  try {
    products = await loadProducts(voice.language);
    showProducts(relabel);
    // The orders show the products' names, which only the first load and a change of language bring.
    if (relabel) showOrders();
  } catch (problem) {
    $("products").setAttribute("aria-busy", "false");
    complain("products", problem);
  }
}

function showProducts(relabel = false) {
  if (products.length === 0 && !relabel) return;
  drawProducts($("products"), products, { voice, user, buy, relabel });
}

let stockTimer = null;
function stockMoved() {
  stockTimer ??= setTimeout(async () => {
    await refreshProducts();
    stockTimer = null;
  }, STOCK_PAUSE_MS);
}

async function buy(product, quantity) {
  const intent = purchase(user, product, quantity);
  if (!validQuantity(quantity)) {
    notify("problem", intent, voice.t("wrong_quantity"));
    return;
  }
  const body = { user_id: user, items: [{ product_id: product.product_id, quantity }] };
  try {
    const order = await move(intent, "/v1/orders", body, voice.language);
    notify("done", intent, voice.t("placed", { id: order.order_id }));
    takeOrder(order);
  } catch (problem) {
    complain(intent, problem);
  }
  showProducts();
  stockMoved();
}

// --- Orders

function takeOrder(order) {
  // A slow answer for somebody who is no longer shown must not land in the new user's list.
  // A log-in name is resolved to its number by the server, so only numbers can be compared here.
  if (/^\d+$/.test(user) && order.user_id !== user) return;
  if (!book.take(order)) return;
  showOrders(order.order_id);
  stockMoved();
}

function showOrders(moved) {
  const nameOf = (id) => products.find((product) => product.product_id === id)?.name;
  drawOrders($("order-list"), book, { voice, nameOf, asked, moved, move: moveOrder });
  $("orders-heading").textContent = voice.t("orders", { user });
  $("to-orders").textContent = voice.t("to_orders", { count: book.size });
  $("older").hidden = olderToken === "" || book.full;
}

async function loadOrders(token = "") {
  const reader = user;
  const query = new URLSearchParams({ user_id: reader, page_size: ORDERS_PAGE_SIZE });
  if (token) query.set("page_token", token);
  try {
    const answer = await read(`/v1/orders?${query}`, voice.language);
    if (reader !== user) return;
    for (const order of answer.orders) book.take(order);
    olderToken = answer.next_page_token ?? "";
    showOrders();
  } catch (problem) {
    complain("orders", problem);
  }
}

async function moveOrder(order, verb) {
  const path = `/v1/orders/${encodeURIComponent(order.order_id)}:${verb}`;
  const intent = `${verb} ${order.order_id}`;
  try {
    const answer = await move(intent, path, undefined, voice.language);
    if (answer.order_id && answer.version) takeOrder(answer);
    if (verb === "pay") notify("done", intent, voice.t("pay_taken", { id: order.order_id }));
  } catch (problem) {
    complain(intent, problem);
  }
}

// --- Live stream

let stream = null;
let reconnectTimer = null;
let reconnectMs = RECONNECT_MIN_MS;

function showLive(state) {
  $("live").className = `live ${state === "on" ? "on" : state === "off" ? "off" : ""}`;
  $("live").textContent = voice.t(`live_${state}`);
  $("live").dataset.state = state;
}

function listen() {
  stream?.close();
  clearTimeout(reconnectTimer);
  showLive("wait");
  const source = new EventSource(`/v1/stream?${new URLSearchParams({ user_id: user })}`);
  stream = source;
  source.addEventListener("open", () => {
    reconnectMs = RECONNECT_MIN_MS;
    showLive("on");
    // What moved while nobody listened is read once; versions keep it from undoing newer events.
    loadOrders();
  });
  source.addEventListener("order", (event) => takeOrder(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    if (stream !== source) return;
    showLive("off");
    // The browser resumes a broken stream by itself, but gives up for good on a refusal.
    if (source.readyState !== EventSource.CLOSED) return;
    reconnectTimer = setTimeout(listen, reconnectMs);
    reconnectMs = Math.min(reconnectMs * 2, RECONNECT_MAX_MS);
  });
}

// --- Start

function beUser(name) {
  user = name;
  remember(USER_KEY, name);
  $("user").value = name;
  book.clear();
  olderToken = "";
  showOrders();
  showProducts();
  loadOrders();
  listen();
}

async function openAsked() {
  if (!asked) return beUser(user);
  try {
    const order = await read(`/v1/orders/${asked}`, voice.language);
    beUser(order.user_id);
    takeOrder(order);
    $("orders").scrollIntoView();
  } catch (problem) {
    complain("asked", problem);
    beUser(user);
  }
}

$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("user").value.trim();
  if (name && name !== user) beUser(name);
});
$("older").addEventListener("click", () => loadOrders(olderToken));
$("language").addEventListener("click", () => {
  voice.toggle();
  relabel();
  refreshProducts(true);
});

function relabel() {
  $("language").textContent = voice.t("other_language");
  $("language").lang = voice.language === "zh" ? "en" : "zh-CN";
  showLive($("live").dataset.state ?? "wait");
  showOrders();
}

voice.apply();
relabel();
$("user").value = user;
$("products").append(el("li", { class: "empty" }, voice.t("loading")));
openAsked();
refreshProducts(true);
