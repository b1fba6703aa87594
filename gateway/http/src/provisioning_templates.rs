//! Provisioning templates, which the original CDF reads from a bucket.

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shipslog_domain::{Command, ProvisioningTemplateName, limits};

use crate::body::{self, Bounds};
use crate::error::{Error, Problem};
use crate::http::Http;
use crate::json;
use crate::limits as edge;
use crate::position::Caller;
use crate::query::Query;

/// The document as it was sent: JSON text of an object.
#[derive(Debug)]
pub(crate) struct Document(Box<str>);

impl FromRequest<Http> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Self::Rejection> {
        let (parts, stream) = request.into_parts();
        let bounds = Bounds::document(limits::PROVISIONING_TEMPLATE_BYTES_MAX);
        let content = body::read(http, &parts.headers, stream, bounds).await?;
        if !matches!(json::parse(content.bytes())?, Value::Object(_)) {
            return Err(Error::invalid("body", "must be a JSON object").into());
        }
        let text = std::str::from_utf8(content.bytes());
        let text = text.map_err(|_| Error::invalid("body", "must be UTF-8"))?;
        Ok(Self(text.into()))
    }
}

pub(crate) async fn put(
    caller: Caller,
    Path(name): Path<String>,
    Document(body): Document,
) -> Result<Response, Problem> {
    let name = ProvisioningTemplateName::parse(&name)?;
    caller
        .submit(Command::PutProvisioningTemplate { name, body })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    let name = ProvisioningTemplateName::parse(&name)?;
    caller
        .submit(Command::DeleteProvisioningTemplate { name })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn get(
    State(http): State<Http>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let body = http.view(|views| {
        let template = views.provisioning_template(&name);
        template.map(|template| template.body.to_owned())
    });
    let body = body.ok_or_else(|| Error::Absent(format!("provisioning template {name}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Names and times, by name; `count` and `exclusiveStartName` page as in CDF.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Result<Response, Problem> {
    let limit = match query.one("count")? {
        None => edge::PAGE_ITEMS_DEFAULT,
        Some(text) => match text.parse::<usize>() {
            Ok(count) if count > 0 => count.min(edge::PAGE_ITEMS_MAX),
            _ => {
                let rule = "must be a whole number of 1 or more";
                return Err(Error::invalid("count", rule).into());
            }
        },
    };
    let after = query.one("exclusiveStartName")?;
    let body = http.view(|views| {
        let page = views.provisioning_templates(after, limit);
        let items = page.items.iter().map(|template| {
            json!({
                "name": template.name,
                "createdAt": template.created_at.to_string(),
                "updatedAt": template.updated_at.map(|at| at.to_string()),
            })
        });
        let items: Vec<Value> = items.collect();
        match page.items.last().filter(|_| page.has_more) {
            Some(last) => json!({
                "provisioningTemplates": items,
                "pagination": {"lastEvaluated": {"name": last.name}},
            }),
            None => json!({"provisioningTemplates": items}),
        }
    });
    Ok(axum::Json(body).into_response())
}
