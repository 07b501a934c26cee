//! Pages, pictures, the reference and the pages of the codes.

use crate::shop::open;

#[tokio::test]
async fn pages_go_out_under_a_policy_and_with_a_tag() {
    let shop = open().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/assets/page/page.js", "text/javascript"),
        ("/assets/common/base.css", "text/css"),
        ("/pictures/101.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ] {
        let page = shop.client.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with(kind), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-cache");
        let again = shop.client.get_with(path, "if-none-match", page.header("etag")).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{path}");
    }
    shop.client.get("/pictures/9999.svg").await.problem("not_found");
}

#[tokio::test]
async fn the_document_is_served_and_every_code_it_names_has_its_page() {
    let shop = open().await;
    let document = shop.client.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut codes = std::collections::BTreeSet::new();
    for operation in operations {
        for answer in operation["responses"].as_object().unwrap().values() {
            for code in answer["x-codes"].as_array().into_iter().flatten() {
                codes.insert(code.as_str().unwrap().to_owned());
            }
        }
    }
    assert!(codes.len() > 30, "{codes:?}");
    for code in codes {
        let page = shop.client.get(&format!("/docs/errors/{code}")).await;
        assert!(page.text.starts_with(&format!("# `{code}`")), "{code}");
        assert!(page.header("content-type").starts_with("text/markdown"));
    }
}

#[tokio::test]
async fn the_operations_port_serves_the_numbers_and_nothing_else() {
    let shop = open().await;
    let client = crate::client::Client::to(shop.operations);
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    for path in ["/v1/orders", "/", "/openapi.json"] {
        client.get(path).await.problem("not_found");
    }
}
