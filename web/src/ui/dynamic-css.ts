// Stands in for the module by which Ant Design's parts add `<style>` elements at run time. The content security policy
// forbids those; a constructed sheet is not an inline style and says the same. Next to nothing comes this way: the
// components' styles are extracted at build time, what is left is the lock on scrolling and the measured scroll bar.

const sheets = new Map<string, CSSStyleSheet>();

/** The callers mark the element they get; nobody reads the marks here. */
const standIn = () => document.createElement('style');

function adopt(key: string, css: string) {
  if (typeof CSSStyleSheet === 'undefined' || !('adoptedStyleSheets' in document)) return;
  const known = sheets.get(key);
  const sheet = known ?? new CSSStyleSheet();
  try {
    sheet.replaceSync(css);
  } catch {
    return;
  }
  if (known) return;
  sheets.set(key, sheet);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

export function updateCSS(css: string, key: string): HTMLStyleElement {
  adopt(key, css);
  return standIn();
}

export function injectCSS(css: string): HTMLStyleElement {
  adopt(css, css);
  return standIn();
}

export function removeCSS(key: string) {
  const sheet = sheets.get(key);
  if (!sheet) return;
  sheets.delete(key);
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((adopted) => adopted !== sheet);
}

export function clearContainerCache() {
  // There are no containers here.
}
