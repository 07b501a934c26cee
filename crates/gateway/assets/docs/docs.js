// `/docs`: the interface as people read it, drawn in the browser from /openapi.json and nothing else,
// so that it can never say something different from what machines are told.
import { el, speak } from "/assets/common/dom.js";
import { fields, mediaExample, problemCodes, resolve, rules, simplify, targetName, typeName } from "./schema.js";
import { WORDS } from "./words.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const $ = (id) => document.getElementById(id);
const voice = speak(WORDS);
const { t } = voice;
let api = null;

// --- Text

/** `code` spans inside one line. */
function inline(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map((part) => (part.startsWith("`") && part.length > 2 ? el("code", {}, part.slice(1, -1)) : part));
}

/** Descriptions use paragraphs, lists with dashes or stars, and code spans; the rest of Markdown is shown as written. */
function prose(text, className = "prose") {
  if (!text) return null;
  return el("div", { class: className }, text.trim().split(/\n\s*\n/).map((block) => {
    const lines = block.split("\n");
    if (!lines.every((line) => /^\s*[-*] |^\s{2,}/.test(line))) return el("p", {}, inline(lines.join(" ")));
    const points = block.trim().split(/\n?\s*[-*] /).filter(Boolean);
    return el("ul", {}, points.map((point) => el("li", {}, inline(point.replace(/\n\s+/g, " ")))));
  }));
}

const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");

const pathParts = (path) => path.split(/(\{[^}]+\})/).filter(Boolean).map((part) => (part.startsWith("{") ? el("span", { class: "param" }, part) : part));

// --- Tables

function table(heads, rows) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, t(head))))),
    el("tbody", {}, rows)));
}

function typeCell(schema) {
  const name = targetName(schema);
  const text = typeName(api, schema, t);
  return el("td", { class: "type" }, name && api.components?.schemas?.[name] ? el("a", { href: `#schema-${name}` }, text) : text);
}

function meaningCell(description, schema) {
  const phrases = rules(schema, t);
  return el("td", {}, description ? el("p", {}, inline(description)) : null, phrases.length ? el("span", { class: "rules" }, phrases.join(" · ")) : null);
}

function nameCell(name, required, depth = 0) {
  const mark = required && [el("span", { class: "required", title: t("required"), "aria-hidden": "true" }, "*"), el("span", { class: "unseen" }, t("required"))];
  return el("td", { class: "name" }, depth > 0 && el("span", { class: "deep", "aria-hidden": "true" }, `${"\u2003".repeat(depth - 1)}└ `), el("code", {}, name), mark);
}

function schemaTable(schema, name) {
  const rows = fields(api, schema, name && [name]).map((row) =>
    el("tr", {}, nameCell(row.name, row.required, row.depth), typeCell(row.schema), meaningCell(row.schema.description ?? row.shown.description, row.shown)));
  if (rows.length) return table(["name", "type", "meaning"], rows);
  const plain = simplify(api, schema);
  return table(["type", "meaning"], [el("tr", {}, typeCell(schema), meaningCell(plain.description, plain))]);
}

function parameterTable(parameters) {
  return table(["name", "where", "type", "meaning"], parameters.map((parameter) => {
    const schema = parameter.schema ?? {};
    return el("tr", {}, nameCell(parameter.name, parameter.required), el("td", {}, parameter.in), typeCell(schema),
      meaningCell(parameter.description, simplify(api, schema)));
  }));
}

// --- One operation

const jsonText = (value) => JSON.stringify(value, null, 2);

/** A value inside single quotes of a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(operation) {
  const value = (parameter) => parameter.example ?? resolve(api, parameter.schema).example ?? resolve(api, parameter.schema).default;
  const path = operation.path.replace(/\{([^}]+)\}/g, (place, name) => {
    const given = operation.parameters.find((parameter) => parameter.name === name);
    return String((given && value(given)) ?? place);
  });
  const query = operation.parameters.filter((parameter) => parameter.in === "query" && (parameter.required || parameter.example !== undefined))
    .map((parameter) => `${parameter.name}=${encodeURIComponent(value(parameter) ?? "")}`).join("&");
  const lines = [`curl ${operation.method === "get" ? "" : `-X ${operation.method.toUpperCase()} `}${quoted(location.origin + path + (query ? `?${query}` : ""))}`];
  for (const parameter of operation.parameters) {
    if (parameter.in === "header") lines.push(`-H ${quoted(`${parameter.name}: ${value(parameter) ?? "…"}`)}`);
  }
  const media = operation.body?.content?.["application/json"];
  if (media) lines.push(`-H ${quoted("Content-Type: application/json")}`, `-d ${quoted(JSON.stringify(mediaExample(api, media, true)))}`);
  return lines.join(" \\\n  ");
}

function answerBlock(status, answer) {
  const [type, media] = Object.entries(answer.content ?? {})[0] ?? [];
  const codes = problemCodes(api, answer);
  const head = el("summary", {},
    el("span", { class: `status s${status[0]}` }, status), el("span", {}, inline(answer.description ?? "")),
    codes.length ? el("span", { class: "codes" }, codes.map((code) => el("code", {}, code))) : null);
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => ({ name, in: "header", ...resolve(api, header), required: false }));
  if (!media && headers.length === 0) return el("details", { class: "still" }, head);
  return el("details", { open: status.startsWith("2") }, head,
    headers.length ? parameterTable(headers) : null,
    media ? [el("p", { class: "rules" }, type), media.schema ? schemaTable(media.schema) : null,
      el("h4", {}, t("answer_example")), el("pre", { tabindex: 0 }, jsonText(mediaExample(api, media)) ?? "")] : null);
}

function article(operation) {
  const { method, path, id, details } = operation;
  const request = Object.entries(operation.body?.content ?? {})[0];
  const codes = [...new Set([...(details["x-codes"] ?? details["x-problem-codes"] ?? []), ...operation.answers.flatMap(([, answer]) => problemCodes(api, answer))])];
  return el("article", { id, "aria-labelledby": `${id}-name` },
    el("h3", { id: `${id}-name` }, el("span", { class: `method ${method}` }, method), el("a", { class: "path mono", href: `#${id}` }, pathParts(path)),
      details.deprecated ? el("span", { class: "badge" }, t("deprecated")) : null),
    details.summary ? el("p", { class: "summary" }, inline(details.summary)) : null,
    prose(details.description),
    operation.parameters.length ? [el("h4", {}, t("parameters")), parameterTable(operation.parameters)] : null,
    request ? [el("h4", {}, `${t("request")} · ${request[0]}`), prose(operation.body.description), request[1].schema ? schemaTable(request[1].schema) : null] : null,
    el("h4", {}, t("example")), el("pre", { tabindex: 0 }, curl(operation)),
    codes.length ? [el("h4", {}, t("codes")), el("div", { class: "codes" }, codes.map((code) => el("code", {}, code)))] : null,
    el("h4", {}, t("answers")), operation.answers.map(([status, answer]) => answerBlock(status, answer)));
}

// --- The whole page

function operations() {
  return Object.entries(api.paths ?? {}).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => {
    const details = item[method];
    const parameters = [...(item.parameters ?? []), ...(details.parameters ?? [])].map((parameter) => resolve(api, parameter));
    return {
      path, method, details, parameters,
      id: `op-${slug(details.operationId ?? `${method} ${path}`)}`,
      tag: details.tags?.[0] ?? t("other"),
      body: details.requestBody ? resolve(api, details.requestBody) : null,
      answers: Object.entries(details.responses ?? {}).map(([status, answer]) => [status, resolve(api, answer)]),
    };
  }));
}

/** Groups in the order of the document's `tags`, then those that only operations name. */
function groups(all) {
  const described = new Map((api.tags ?? []).map((tag) => [tag.name, tag.description]));
  const names = [...new Set([...described.keys(), ...all.map((operation) => operation.tag)])];
  return names.map((name) => ({ name, description: described.get(name), operations: all.filter((operation) => operation.tag === name) }))
    .filter((group) => group.operations.length > 0);
}

function contentsGroup(title, id, links) {
  return el("div", {}, el("h2", {}, el("a", { href: `#${id}` }, title)), el("ul", {}, links));
}

function draw() {
  const tagged = groups(operations());
  const schemas = Object.entries(api.components?.schemas ?? {});
  $("version").textContent = [api.info?.version, `OpenAPI ${api.openapi}`].filter(Boolean).join(" · ");
  $("contents").replaceChildren(
    ...tagged.map((group) => contentsGroup(group.name, `tag-${slug(group.name)}`, group.operations.map((operation) =>
      el("li", { dataset: { for: operation.id } }, el("a", { href: `#${operation.id}` },
        el("span", { class: `method ${operation.method}` }, operation.method), el("span", { class: "mono" }, operation.path)))))),
    contentsGroup(t("schemas"), "schemas", schemas.map(([name]) => el("li", { dataset: { for: `schema-${name}` } }, el("a", { href: `#schema-${name}` }, name)))));
  $("reference").replaceChildren(
    el("h1", {}, api.info?.title ?? t("title")), prose(api.info?.description, "intro") ?? "",
    el("p", { class: "problem", id: "nothing", hidden: true }, t("nothing")),
    ...tagged.map((group) => el("section", { id: `tag-${slug(group.name)}` }, el("h2", {}, group.name), prose(group.description, "tag-text"), group.operations.map(article))),
    el("section", { id: "schemas" }, el("h2", {}, t("schemas")), schemas.map(([name, schema]) =>
      el("article", { id: `schema-${name}` }, el("h3", {}, el("a", { class: "path mono", href: `#schema-${name}` }, name)), prose(schema.description), schemaTable(schema, name)))));
  filter();
}

/** Shows what contains every word of the filter, in its path, its text or its codes. */
function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const articles = [...document.querySelectorAll("#reference article")];
  for (const node of articles) {
    const text = node.textContent.toLowerCase();
    node.hidden = !words.every((word) => text.includes(word));
    const link = document.querySelector(`#contents [data-for="${CSS.escape(node.id)}"]`);
    if (link) link.hidden = node.hidden;
  }
  for (const part of document.querySelectorAll("#reference section")) part.hidden = !part.querySelector("article:not([hidden])");
  for (const part of document.querySelectorAll("#contents > div")) part.hidden = !part.querySelector("li:not([hidden])");
  const shown = articles.filter((node) => !node.hidden).length;
  $("nothing").hidden = shown > 0;
  $("found").textContent = words.length ? t("found", { count: shown, all: articles.length }) : "";
}

/** The browser looks for the anchor before the page is drawn, so it is followed once more afterwards. */
function followAnchor() {
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function relabel() {
  voice.apply();
  $("language").textContent = t("other_language");
  $("language").lang = voice.language === "zh" ? "en" : "zh-CN";
}

$("language").addEventListener("click", () => {
  voice.toggle();
  relabel();
  if (api) draw();
});
$("filter").addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $("filter").focus();
});

relabel();
try {
  const response = await fetch("/openapi.json", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`/openapi.json: ${response.status}`);
  api = await response.json();
  draw();
  followAnchor();
} catch (error) {
  console.error(error);
  $("reference").replaceChildren(el("p", { class: "problem", role: "alert" }, t("failed")));
}
