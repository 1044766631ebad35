//! Each cloud: its hosts, what tokens are asked for, what it offers, and what is refused by name.

use super::*;

/// Job name, sign-in host, Graph host, whether there are virtual events and beta.
const CLOUDS: [(&str, &str, &str, bool); 3] = [
    (
        "global",
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com",
        true,
    ),
    (
        "us-gov",
        "https://login.microsoftonline.us",
        "https://graph.microsoft.us",
        false,
    ),
    (
        "us-gov-dod",
        "https://login.microsoftonline.us",
        "https://dod-graph.microsoft.us",
        false,
    ),
];

const APP: &str = "auth.client_id = 'app'\nauth.client_secret = { env = 'SECRET' }";
const USER: &str = "auth.method = 'device-code'\nauth.client_id = 'app'";
const MACHINE: &str = "auth.method = 'managed-identity'";

fn job(cloud: &str, auth: &str, sources: &str) -> Result<RunPlan, PlanError> {
    let text = format!("tenant.id = 'contoso.com'\ntenant.cloud = '{cloud}'\n{auth}\n{sources}\n");
    plan_in(&[("SECRET", "hunter2"), ("HOME", "/home/a")], &text, &run())
}

#[test]
fn every_cloud_has_its_hosts_and_its_tokens() {
    let meetings = "sources.online_meetings = {}";
    for (cloud, authority, graph, has_events) in CLOUDS {
        let plan = job(cloud, APP, meetings).unwrap();
        assert_eq!(plan.auth.authority.as_str(), format!("{authority}/"));
        assert_eq!(plan.graph.endpoint.as_str(), format!("{graph}/"));
        assert_eq!(plan.auth.scope, format!("{graph}/.default"));

        let machine = job(cloud, MACHINE, meetings).unwrap().auth.credentials;
        let Credentials::ManagedIdentity { resource, .. } = machine else {
            panic!("{machine:?}")
        };
        assert_eq!(resource, format!("{graph}/"));

        // every source that the cloud has
        let events = "sources.webinars.organizers = 'me'";
        let events = if has_events { events } else { "" };
        let own = format!("sources.online_meetings.users = 'me'\n{events}");
        let scope = job(cloud, USER, &own).unwrap().auth.scope;
        let mut names: Vec<_> = scope.split(' ').collect();
        assert_eq!(names.pop(), Some("offline_access"));
        let names: Vec<_> = names
            .iter()
            .map(|name| name.strip_prefix(graph).unwrap().trim_start_matches('/'))
            .collect();
        // Graph does not know the last one where there are no virtual events, and the sign-in would be refused for it
        let mut expected = vec![
            "User.Read",
            "OnlineMeetingArtifact.Read.All",
            "Calendars.ReadBasic",
            "OnlineMeetings.Read",
        ];
        expected.extend(has_events.then_some("VirtualEvent.Read"));
        assert_eq!(names, expected, "{cloud}");
    }
}

#[test]
fn every_cloud_refuses_by_name_what_it_does_not_offer() {
    for (cloud, _, _, has_events) in CLOUDS {
        for sources in [
            "sources.online_meetings.discover = ['calendar']",
            "sources.online_meetings.discover = ['call-records']",
            "sources.online_meetings.discover = ['calendar', 'call-records']",
            "sources.online_meetings.users = { group = 'id' }",
        ] {
            job(cloud, APP, sources).unwrap();
        }
        for (sources, named) in [
            ("sources.webinars = {}", "sources.webinars"),
            ("sources.town_halls = {}", "sources.town_halls"),
            (
                "sources.online_meetings = {}\ngraph.version = 'beta'",
                "graph.version = \"beta\"",
            ),
            (
                "sources.online_meetings.reports = 'latest'\ngraph.version = 'beta'",
                "sources.online_meetings.reports = \"latest\"",
            ),
        ] {
            let planned = job(cloud, APP, sources);
            if has_events {
                planned.unwrap();
                continue;
            }
            let told = told(planned);
            let said = format!("error: `{named}` is not available in the cloud `{cloud}`\n");
            assert!(told.starts_with(&said), "{told}");
        }
    }
}

#[test]
fn china_is_refused_whatever_is_asked_of_it() {
    for sources in [
        "sources.online_meetings = {}",
        "sources.online_meetings.discover = ['call-records']",
        "sources.webinars = {}",
        "sources.online_meetings = {}\ngraph.endpoint = 'https://microsoftgraph.chinacloudapi.cn'\n\
         graph.authority = 'https://login.partner.microsoftonline.cn'",
    ] {
        for auth in [APP, MACHINE] {
            let told = told(job("china", auth, sources));
            assert!(told.contains("Graph offers no attendance there"), "{told}");
        }
    }
}
