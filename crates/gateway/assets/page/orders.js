// The reader's orders: one card each, newest first, kept level by the live stream.
// An order's version decides what is news: the stream, a reload and an answer may overtake each other,
// and a card never goes back to an older version.
import { el } from "/assets/common/dom.js";
import { money } from "./api.js";

const SHOWN_MAX = 200;
const PAYABLE = new Set(["pending", "confirmed"]);
const CANCELLABLE = new Set(["pending", "confirmed", "paid", "ship_failed"]);

/** Ids are decimal strings that grow with time and may pass what a number holds exactly. */
function newerFirst(a, b) {
  return b.order_id.length - a.order_id.length || (a.order_id < b.order_id ? 1 : a.order_id > b.order_id ? -1 : 0);
}

export class OrderBook {
  #orders = new Map();

  clear() {
    this.#orders.clear();
  }

  /** Takes an order in and says whether it was news. */
  take(order) {
    const known = this.#orders.get(order.order_id);
    if (known && known.version >= order.version) return false;
    this.#orders.set(order.order_id, order);
    if (this.#orders.size > SHOWN_MAX) this.#orders.delete(this.list().at(-1).order_id);
    return true;
  }

  get full() {
    return this.#orders.size >= SHOWN_MAX;
  }

  get size() {
    return this.#orders.size;
  }

  list() {
    return [...this.#orders.values()].sort(newerFirst);
  }
}

function elapsed(from, to) {
  const ms = Math.max(0, Date.parse(to) - Date.parse(from));
  if (ms < 1_000) return `+${ms} ms`;
  if (ms < 60_000) return `+${(ms / 1_000).toFixed(1)} s`;
  return `+${Math.floor(ms / 60_000)} min`;
}

function clockTime(at, language) {
  const time = new Date(at);
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const sameDay = time.toDateString() === new Date().toDateString();
  const day = sameDay ? {} : { month: "short", day: "numeric" };
  return time.toLocaleString(locale, { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function step(entry, previous, voice) {
  const when = `${clockTime(entry.at, voice.language)}${previous ? ` ${elapsed(previous.at, entry.at)}` : ""}`;
  const by = [entry.actor, entry.reason].filter(Boolean).join(" · ");
  return el("li", {},
    el("span", {}, voice.t(`state_${entry.to}`)),
    el("time", { datetime: entry.at }, when),
    by && el("span", { class: "by" }, by));
}

function line(item, nameOf, voice) {
  const total = { amount_minor: item.unit_price.amount_minor * item.quantity, currency: item.unit_price.currency };
  return el("li", {},
    el("span", {}, `${nameOf(item.product_id) ?? voice.t("product_number", { id: item.product_id })} × ${item.quantity}`),
    el("span", { class: "amount" }, money(total, voice.language)));
}

function act(verb, order, { voice, move }, kind) {
  const press = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await move(order, verb);
    button.disabled = false;
  };
  const label = `${voice.t(verb)}, ${voice.t("order_number", { id: order.order_id })}`;
  return el("button", { type: "button", class: kind, onclick: press, "aria-label": label, dataset: { verb } }, voice.t(verb));
}

function card(order, shown) {
  const { voice, nameOf, asked, moved } = shown;
  const reason = order.status === "cancelled" && order.cancel_reason ? ` · ${voice.t(`reason_${order.cancel_reason}`)}` : "";
  const classes = ["order", order.order_id === asked && "asked", moved === order.order_id && "moved"].filter(Boolean).join(" ");
  return el("li", { class: classes, dataset: { order: order.order_id } },
    el("header", {},
      el("a", { class: "number mono", href: `/orders/${encodeURIComponent(order.order_id)}` }, order.order_id),
      el("span", { class: `state ${order.status}` }, voice.t(`state_${order.status}`), reason)),
    el("ul", { class: "lines" }, order.items.map((item) => line(item, nameOf, voice))),
    el("ol", { class: "steps" }, (order.history ?? []).map((entry, index, all) => step(entry, all[index - 1], voice))),
    el("footer", {},
      el("span", { class: "total" }, `${voice.t("total")} ${money(order.total, voice.language)}`),
      el("span", { class: "acts" },
        CANCELLABLE.has(order.status) && act("cancel", order, shown, ""),
        PAYABLE.has(order.status) && act("pay", order, shown, "strong"))));
}

/** Redraws the list and puts the focus back on the button it was on, if that button is still there. */
export function drawOrders(list, book, shown) {
  const held = document.activeElement;
  const place = list.contains(held) ? { order: held.closest(".order")?.dataset.order, verb: held.dataset.verb } : null;
  const orders = book.list();
  list.replaceChildren(...(orders.length ? orders.map((order) => card(order, shown)) : [el("li", { class: "empty" }, shown.voice.t("no_orders"))]));
  if (!place?.order) return;
  const again = [...list.children].find((node) => node.dataset.order === place.order);
  (again?.querySelector(`[data-verb="${place.verb}"]`) ?? again?.querySelector("a"))?.focus();
}
