//! A small client of the simulated tenant, and the worlds that tests ask it about.

use reqwest::StatusCode;
use serde_json::Value;
use teamsheet::simulated_tenant::world::{AccessPolicy, Meeting};
use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, SimulatedTenant, TENANT_ID, World, WorldSettings,
};
use teamsheet::time::{DAY, UtcMicros};

/// 2026-03-02T08:00:00Z, a Monday.
pub(crate) const NOW: UtcMicros = UtcMicros(1_772_438_400_000_000);

pub(crate) fn settings(users: u32, days: u32) -> WorldSettings {
    WorldSettings {
        seed: 7,
        users,
        days,
        now: NOW,
    }
}

/// A client that is signed in.
pub(crate) struct Client {
    pub(crate) tenant: SimulatedTenant,
    pub(crate) http: reqwest::Client,
    token: String,
}

impl Client {
    pub(crate) async fn of(world: World) -> Self {
        let tenant = SimulatedTenant::start(world).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (status, body) = sign_in(&tenant, &http, TENANT_ID, CLIENT_ID, CLIENT_SECRET).await;
        assert_eq!(status, StatusCode::OK);
        Self {
            token: body["access_token"].as_str().unwrap().to_owned(),
            tenant,
            http,
        }
    }

    /// Goes on with another bearer token.
    pub(crate) fn sign_in_with(&mut self, token: String) {
        self.token = token;
    }

    /// The bearer token of the sign-in.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.tenant.endpoint())
        };
        let request = self.http.get(url).bearer_auth(&self.token);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&text).unwrap())
    }

    pub(crate) async fn ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Status, code and message of a refusal.
    pub(crate) async fn refusal(&self, path: &str) -> (u16, String, String) {
        let (status, body) = self.get(path).await;
        let error = &body["error"];
        assert!(error["innerError"]["request-id"].is_string(), "{body}");
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (status.as_u16(), text("code"), text("message"))
    }

    /// The items of all pages.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.ok(&path).await;
            items.extend(page["value"].as_array().unwrap().iter().cloned());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        items
    }
}

pub(crate) async fn sign_in(
    tenant: &SimulatedTenant,
    http: &reqwest::Client,
    directory: &str,
    client_id: &str,
    secret: &str,
) -> (StatusCode, Value) {
    let url = format!("{}{directory}/oauth2/v2.0/token", tenant.authority());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let response = http.post(url).form(&form).send().await.unwrap();
    let status = response.status();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A join link in a filter, encoded once.
pub(crate) fn by_join_url(url: &str) -> String {
    let filter = format!("JoinWebUrl eq '{url}'");
    let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("$filter={encoded}")
}

pub(crate) fn whole_window(settings: &WorldSettings) -> String {
    let (from, until) = (settings.midnight(0), NOW.plus(DAY));
    format!("startDateTime={from}&endDateTime={until}")
}

/// A world with every trap in it.
pub(crate) fn world() -> World {
    World::generate(&settings(40, 60))
}

/// A meeting whose organizer the app may read.
pub(crate) fn meeting(world: &World, is_it: impl Fn(&Meeting) -> bool) -> Meeting {
    let readable = |meeting: &&Meeting| {
        world.person(&meeting.organizer).unwrap().access_policy == AccessPolicy::Granted
            && is_it(meeting)
    };
    world.meetings.iter().find(readable).unwrap().clone()
}
