// The product grid: loads the catalogue in the reader's language and shows prices and free stock.
// Stock is only shown here, never decided: the server may refuse what the page believed to be free.
import { el } from "/assets/common/dom.js";
import { isOpen, money, read } from "./api.js";

const PAGE_SIZE = 100;
const PAGES_MAX = 5;
const LOW_STOCK = 20;
const QUANTITY_MAX = 1_000_000;
const NO_PICTURE = "/assets/common/no-picture.svg";

export async function loadProducts(language) {
  const products = [];
  let token = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = new URLSearchParams({ page_size: PAGE_SIZE, lang: language });
    if (token) query.set("page_token", token);
    const answer = await read(`/v1/products?${query}`, language);
    products.push(...answer.products);
    token = answer.next_page_token;
    if (!token) break;
  }
  return products;
}

export const purchase = (user, product, quantity) => `buy ${user} ${product.product_id} ${quantity}`;

function stockLine(product, voice) {
  const free = product.stock?.free;
  if (free === undefined) return el("span", { class: "stock" });
  if (free === 0) return el("span", { class: "stock none" }, voice.t("none"));
  const count = free.toLocaleString(voice.language === "zh" ? "zh-CN" : "en");
  return el("span", { class: free <= LOW_STOCK ? "stock low" : "stock" }, voice.t("free", { count }));
}

/** A product without a picture, or with one that cannot be loaded, shows the drawing of a parcel instead. */
function picture(product) {
  const standIn = ({ currentTarget }) => {
    if (currentTarget.getAttribute("src") !== NO_PICTURE) currentTarget.src = NO_PICTURE;
  };
  return el("img", { src: product.picture || NO_PICTURE, alt: "", width: 480, height: 360, loading: "lazy", onerror: standIn });
}

function card(product, { voice, user, quantity, buy }) {
  const gone = product.stock?.free === 0;
  const amount = el("input", {
    type: "number", min: 1, max: QUANTITY_MAX, step: 1, value: quantity, required: true, inputmode: "numeric",
    "aria-label": voice.t("quantity_of", { name: product.name }), disabled: gone,
  });
  const open = isOpen(purchase(user, product, quantity));
  const label = gone ? "sold_out" : open ? "buy_again" : "buy";
  const button = el("button", { type: "submit", class: "strong", disabled: gone, "aria-label": `${voice.t(label)}: ${product.name}` }, voice.t(label));
  const order = async (event) => {
    event.preventDefault();
    button.disabled = true;
    await buy(product, amount.valueAsNumber);
    button.disabled = gone;
  };
  return el("li", { class: gone ? "product gone" : "product", dataset: { product: product.product_id } },
    picture(product),
    el("div", { class: "text" }, el("h2", {}, product.name), el("p", {}, product.description ?? "")),
    el("div", { class: "facts" }, el("span", { class: "price" }, money(product.price, voice.language)), stockLine(product, voice)),
    el("form", { class: "buy", novalidate: true, onsubmit: order }, amount, button));
}

/**
 * Draws the grid. When the same products stand there already, only what changed is touched in place: stock
 * moves while somebody types a quantity, and neither their number nor their focus may be lost to it.
 */
export function drawProducts(list, products, { relabel, ...shown }) {
  list.setAttribute("aria-busy", "false");
  if (products.length === 0) {
    list.replaceChildren(el("li", { class: "empty" }, shown.voice.t("no_products")));
    return;
  }
  const cards = [...list.children];
  const quantities = new Map(cards.map((old) => [old.dataset.product, old.querySelector("input")?.value]));
  const fresh = products.map((product) => card(product, { ...shown, quantity: quantities.get(product.product_id) || "1" }));
  const same = cards.length === fresh.length && cards.every((old, index) => old.dataset.product === fresh[index].dataset.product);
  if (relabel || !same) list.replaceChildren(...fresh);
  else cards.forEach((old, index) => refresh(old, fresh[index]));
}

function refresh(old, fresh) {
  if (old.className !== fresh.className) {
    old.replaceWith(fresh);
    return;
  }
  old.querySelector(".facts").replaceWith(fresh.querySelector(".facts"));
  const [button, label] = [old, fresh].map((node) => node.querySelector(".buy button"));
  button.textContent = label.textContent;
  button.setAttribute("aria-label", label.getAttribute("aria-label"));
}

export const validQuantity = (quantity) => Number.isInteger(quantity) && quantity >= 1 && quantity <= QUANTITY_MAX;
