//! `[service]`: the one URL from which issuer and client are found (RFC 9728, and documents of services' own making).

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    url: Text,
    variable: Text,
    path: Text,
    issuer: Text,
    client_id: Text,
}

/// A service that names its issuer and its client in a document at a well-known place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The service; the person may still have to say which.
    pub url: Option<String>,
    /// The variable that names another one.
    pub variable: Option<String>,
    /// The path of the document, put before that of the service. Defaults to the one of RFC 9728.
    pub path: Option<String>,
    /// JSON pointer (RFC 6901) to the issuer in the document. Defaults to where RFC 9728 has it, else `/issuer`.
    pub issuer: Option<String>,
    /// JSON pointer to the client id. Defaults to `/client_id`.
    pub client_id: Option<String>,
}

/// None where the table says nothing.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Service>> {
    let Words {
        url,
        variable,
        path,
        issuer,
        client_id,
    } = words;
    if [url, variable, path, issuer, client_id].iter().all(|text| text.is_none()) {
        return Ok(None);
    }
    let pointer = |key: &str, text: &Option<Text>| {
        let text = text.as_ref();
        text.map(|text| reader.pointer(key, Some(text), "")).transpose()
    };
    if let Some(text) = path.as_ref().filter(|path| !path.get_ref().starts_with('/')) {
        return Err(reader.wrong_at(text, "service.path: expected a path that begins with `/`, found another text"));
    }
    if let Some(text) = url.as_ref().filter(|url| url.get_ref().contains('?')) {
        return Err(reader.wrong_at(text, "service.url: expected a URL without a query, found one"));
    }
    Ok(Some(Service {
        url: reader.url_if("service.url", url.as_ref())?,
        variable: reader.visible_if("service.variable", variable.as_ref())?,
        path: reader.visible_if("service.path", path.as_ref())?,
        issuer: pointer("service.issuer", issuer)?,
        client_id: pointer("service.client_id", client_id)?,
    }))
}
