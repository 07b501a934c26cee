// What both pages share: building elements without markup strings, and the reader's language.
//
// Text from the server reaches the page only through text nodes and checked attributes, so nothing that
// a product, an order or an error says can become markup. There is no innerHTML here and must never be.

const LANGUAGE_KEY = "doos.lang";

/** Builds one element. `on*` properties become listeners, `class` and `dataset` do what they say, the rest are attributes. */
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "dataset") Object.assign(node.dataset, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Storage may be closed to us (private windows); a choice that cannot be kept is still honoured for this visit. */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The choice holds until the page is left.
  }
}

export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? recall(LANGUAGE_KEY) ?? navigator.language;
  return asked.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/**
 * The words of one page in both languages. `t` answers in the present one, filling `{name}` places;
 * `apply` writes every `data-t` (text) and `data-t-label` (accessible name) of the document.
 */
export function speak(words) {
  const state = { language: firstLanguage() };
  const t = (key, places = {}) =>
    (words[state.language][key] ?? words.en[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(places[name] ?? ""));
  const apply = () => {
    document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
    document.title = t("title");
    for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
    for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
    for (const node of document.querySelectorAll("[data-t-hint]")) node.setAttribute("placeholder", t(node.dataset.tHint));
  };
  return {
    t,
    apply,
    get language() {
      return state.language;
    },
    toggle() {
      state.language = state.language === "zh" ? "en" : "zh";
      remember(LANGUAGE_KEY, state.language);
      apply();
    },
  };
}
