//! The static files compiled into the binary: the web UI, the reference at `/docs`, the pictures and the demo catalogue.
//!
//! The web UI is whatever `web/dist` held when the binary was built (`build.rs`); where that was nothing, a plain page
//! stands at `/` instead. Its files have the hash of their content in their names, so browsers keep them for ever.
//!
//! A file is found by the path it is served at, and nothing else: the table is closed at compile time, no
//! path reaches the file system. The pages hold no inline script or style and load nothing from elsewhere,
//! so they live under `Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';
//! img-src 'self'; connect-src 'self'`, which the server should send with them. An entity tag is the hash of
//! the content, so a browser asks again after every release and downloads only what changed.
//!
//! Nothing here may depend on the configuration, the language or the caller.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// One file as it is answered: media type, content, strong entity tag (quotes included).
#[derive(Debug)]
pub struct Asset {
    pub content_type: &'static str,
    pub body: &'static [u8],
    /// The same, compressed.
    pub br: Option<&'static [u8]>,
    pub gz: Option<&'static [u8]>,
    pub etag: String,
    /// Its name changes with its content.
    pub is_hashed: bool,
}

/// A file of the built web UI.
struct WebFile {
    path: &'static str,
    body: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

static WEB: &[WebFile] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

const WEB_PAGE: &str = "/index.html";
const WEB_HASHED: &str = "/static/";
/// What the web UI shows pages of its own at, besides `/` and the orders, which are JSON for programs.
const WEB_ROUTES: &[&str] =
    &["/products", "/products/{id}", "/cart", "/checkout", "/dashboard", "/admin", "/admin/{*page}"];

type Row = (&'static str, &'static [u8]);

macro_rules! file {
    ($served_at:literal, $file:literal) => {
        ($served_at, include_bytes!(concat!("../assets/", $file)).as_slice())
    };
    ($file:literal) => {
        (concat!("/assets/", $file), include_bytes!(concat!("../assets/", $file)).as_slice())
    };
}

macro_rules! pictures {
    ($($product_id:literal),*) => {
        [$((
            concat!("/pictures/", $product_id, ".svg"),
            include_bytes!(concat!("../assets/pictures/", $product_id, ".svg")).as_slice(),
        )),*]
    };
}

static PAGES: &[Row] = &[
    file!("/", "page/index.html"),
    file!("/docs", "docs/docs.html"),
    file!("/favicon.ico", "common/mark.svg"),
    file!("common/base.css"),
    file!("common/dom.js"),
    file!("common/mark.svg"),
    file!("common/no-picture.svg"),
    file!("docs/docs.css"),
    file!("docs/docs.js"),
    file!("docs/schema.js"),
    file!("docs/words.js"),
    file!("page/api.js"),
    file!("page/orders.js"),
    file!("page/page.css"),
    file!("page/page.js"),
    file!("page/products.js"),
    file!("page/words.js"),
];

static PICTURES: &[Row] =
    &pictures![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 101];

static ASSETS: LazyLock<HashMap<&'static str, Asset>> = LazyLock::new(|| {
    let plain = |&(path, body): &Row| WebFile { path, body, br: None, gz: None };
    let own = PAGES.iter().chain(PICTURES).map(plain);
    let built = WEB.iter().map(|file| WebFile { path: if file.path == WEB_PAGE { "/" } else { file.path }, ..*file });
    // What comes later wins: the web UI's page goes before the plain one.
    own.chain(built).map(|file| (file.path, asset(&file))).collect()
});

fn asset(file: &WebFile) -> Asset {
    Asset {
        content_type: content_type(file.path),
        body: file.body,
        br: file.br,
        gz: file.gz,
        etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(file.body)[..16])),
        is_hashed: file.path.starts_with(WEB_HASHED),
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        // Browsers ask for /favicon.ico by themselves and take the drawing that it is.
        Some("svg" | "ico") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "text/html; charset=utf-8",
    }
}

/// The file served at `path`, such as `/`, `/docs`, `/assets/page/page.js` or `/pictures/1.svg`.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.get(path)
}

/// Every path that `find` answers, for whoever builds the router.
pub fn paths() -> impl Iterator<Item = &'static str> {
    ASSETS.keys().copied()
}

/// Where the web UI shows a page of its own; nowhere, if it is not in this binary.
pub fn page_routes() -> &'static [&'static str] {
    if WEB.is_empty() { &[] } else { WEB_ROUTES }
}

/// The picture of a product of the demo catalogue.
pub fn picture(product_id: u64) -> Option<&'static Asset> {
    find(&format!("/pictures/{product_id}.svg"))
}

/// The demo catalogue that an empty data directory is seeded with, as JSON.
pub fn demo_catalogue() -> &'static str {
    include_str!("../assets/catalogue.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn catalogue() -> Vec<Value> {
        serde_json::from_str(demo_catalogue()).unwrap()
    }

    /// Those of the web UI are its builder's to check.
    fn own_scripts() -> impl Iterator<Item = &'static str> {
        paths().filter(|path| path.starts_with("/assets/") && path.ends_with(".js"))
    }

    #[test]
    fn the_web_ui_is_whole_if_it_is_in_this_binary() {
        let page = std::str::from_utf8(find("/").unwrap().body).unwrap();
        for named in page.split('"').filter(|value| value.starts_with(WEB_HASHED)) {
            let asset = find(named).unwrap_or_else(|| panic!("the page names {named}"));
            assert!(asset.is_hashed && asset.br.is_some() && asset.gz.is_some(), "{named}");
        }
        assert_eq!(page_routes().is_empty(), !page.contains(WEB_HASHED));
    }

    fn id(product: &Value) -> u64 {
        product["product_id"].as_u64().unwrap()
    }

    #[test]
    fn the_demo_catalogue_is_complete_and_each_product_has_its_own_picture() {
        let products = catalogue();
        let ids: BTreeSet<u64> = products.iter().map(id).collect();
        assert!(products.len() >= 24);
        assert_eq!(ids.len(), products.len(), "a product id is used twice");
        for product in &products {
            let drawing = picture(id(product)).unwrap_or_else(|| panic!("no picture of {product}"));
            assert_eq!(product["picture"], format!("/pictures/{}.svg", id(product)));
            assert!(drawing.body.starts_with(b"<svg ") && drawing.body.len() < 4_096, "{product}");
            assert!(product["price_minor"].as_u64().is_some_and(|price| price > 0), "{product}");
            assert!(product["stock"].is_u64() && product["currency"] == "CNY", "{product}");
            for text in [&product["name"], &product["description"]] {
                for language in ["en", "zh"] {
                    assert!(!text[language].as_str().unwrap().is_empty(), "{product}");
                }
            }
        }
        assert_eq!(PICTURES.len(), products.len(), "a picture belongs to no product");
    }

    #[test]
    fn the_three_promised_products_have_their_prices_and_plenty_of_stock() {
        for (wanted, price_minor) in [(1, 9_999), (2, 19_999), (101, 9_999)] {
            let product = catalogue().into_iter().find(|product| id(product) == wanted).unwrap();
            assert_eq!(product["price_minor"], price_minor);
            assert_eq!(product["stock"], 1_000_000);
        }
    }

    /// Every file a page names must be in the table, and a page that names a foreign host or carries
    /// inline script or style would be blank under the policy it is served with.
    #[test]
    fn the_pages_name_only_files_that_are_served_here() {
        for page in ["/", "/docs"] {
            let (_, html) = PAGES.iter().find(|(path, _)| *path == page).unwrap();
            let html = std::str::from_utf8(html).unwrap();
            let named: Vec<&str> = html.split('"').filter(|value| value.starts_with("/assets/")).collect();
            assert!(named.len() >= 4, "{page} names {named:?}");
            for path in named {
                assert!(find(path).is_some(), "{page} names {path}");
            }
            for foreign in ["://", "<style", "style=", " onclick", "<script>"] {
                assert!(!html.contains(foreign), "{page} contains {foreign}");
            }
        }
    }

    #[test]
    fn every_module_that_a_script_imports_is_served_here() {
        for path in own_scripts() {
            let script = std::str::from_utf8(find(path).unwrap().body).unwrap();
            let imports = script.lines().filter(|line| line.starts_with("import "));
            for module in imports.map(|line| line.split('"').nth(1).unwrap()) {
                let folder = path.rsplit_once('/').unwrap().0;
                let wanted =
                    module.strip_prefix('.').map_or_else(|| module.to_owned(), |rest| format!("{folder}{rest}"));
                assert!(find(&wanted).is_some(), "{path} imports {wanted}");
            }
        }
    }

    #[test]
    fn every_picture_and_file_that_a_script_names_is_served_here() {
        let mut named = 0;
        for path in own_scripts() {
            let script = std::str::from_utf8(find(path).unwrap().body).unwrap();
            for file in script.split('"').filter(|word| word.starts_with("/assets/")) {
                assert!(find(file).is_some(), "{path} names {file}");
                named += usize::from(file.ends_with(".svg"));
            }
        }
        assert_eq!(named, 1, "a product without a picture has a drawing that stands for it");
    }

    #[test]
    fn content_and_tag_belong_together() {
        let tags: BTreeSet<&str> = paths().map(|path| find(path).unwrap().etag.as_str()).collect();
        let contents: BTreeSet<&[u8]> = paths().map(|path| find(path).unwrap().body).collect();
        assert_eq!(tags.len(), contents.len());
        assert!(find("/assets/../Cargo.toml").is_none());
        assert_eq!(find("/assets/page/page.js").unwrap().content_type, "text/javascript; charset=utf-8");
        assert_eq!(find("/docs").unwrap().content_type, "text/html; charset=utf-8");
    }
}
