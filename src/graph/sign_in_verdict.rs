//! What the sign-in host's refusals mean, by its OAuth `error` and its numbers (AADSTS), and what to do, each with its own advice.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>, RFC 6749, 5.2 and 4.1.2.1; of identity services
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>.

use super::error_body::ErrorBody;
use super::failure::FailureReason;
use super::retry::FailureClass;
use crate::job::file::AuthMethod;

use AuthMethod as M;

/// What a refused sign-in means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignInVerdict {
    pub(super) reason: FailureReason,
    pub(super) class: FailureClass,
}

/// The numbers and errors that have one meaning and one advice; the first row that fits counts.
struct Row {
    /// Empty: every method.
    methods: &'static [AuthMethod],
    numbers: &'static [i64],
    errors: &'static [&'static str],
    advice: &'static str,
}

/// What may pass: the service says so itself, with whatever status.
const PASSING_NUMBERS: [i64; 7] = [90_033, 90_006, 90_012, 90_024, 90_055, 50_196, 40_010];
const PASSING_ERRORS: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];

const LOGIN: &str = "run `teamsheet login --job FILE` with this job's file, as the user whose meetings it reads; later runs renew that sign-in";

const ANY: Row = Row {
    methods: &[],
    numbers: &[],
    errors: &[],
    advice: "",
};

const ROWS: &[Row] = &[
    // ---- the secret, the certificate, the other identity provider ----
    Row {
        numbers: &[7_000_222],
        advice: "the client secret has ended: make a new client secret in the app registration and put its value where the job file names it",
        ..ANY
    },
    Row {
        numbers: &[7_000_215],
        advice: "make a new client secret in the app registration (its value, not its id) and put it where the job file names it",
        ..ANY
    },
    Row {
        methods: &[M::WorkloadIdentity],
        numbers: &[700_024, 50_013, 500_133],
        advice: "the token in `[auth] token_file` has ended: let its issuer renew it (Kubernetes does while the pod runs)",
        ..ANY
    },
    Row {
        numbers: &[700_024, 50_013, 500_133],
        advice: "set the clock of this machine (NTP): certificates sign in for points in time",
        ..ANY
    },
    Row {
        methods: &[M::Certificate],
        numbers: &[700_027, 700_030, 50_012],
        advice: "upload the certificate that `[auth] certificate` names (without its key) to the app registration, or renew it where it has ended",
        ..ANY
    },
    Row {
        methods: &[M::WorkloadIdentity],
        numbers: &[70_021, 700_021, 700_211, 700_212, 700_213, 700_214, 700_223],
        advice: "let the app registration trust this token: issuer, subject and audience of its federated credential must be the token's own",
        ..ANY
    },
    Row {
        numbers: &[7_000_216],
        advice: "check `[auth] method` in the job file: the app signs in with a secret or a certificate",
        ..ANY
    },
    Row {
        numbers: &[7_000_218],
        advice: "allow public client flows in the app registration (Authentication): a device code comes without a secret",
        ..ANY
    },
    // ---- the app and the tenant ----
    Row {
        numbers: &[90_002, 900_023, 900_021, 500_208, 50_059],
        advice: "check `[tenant] id` in the job file: there is no such tenant in this cloud",
        ..ANY
    },
    Row {
        numbers: &[5_000_224, 5_000_225],
        advice: "the tenant is blocked or no longer in use: see to it in the Microsoft 365 admin center, or check `[tenant] id`",
        ..ANY
    },
    Row {
        numbers: &[700_016, 700_038],
        advice: "check `[auth] client_id` in the job file: the tenant does not know this app; where both are right, somebody has to consent to the \
                 app in this tenant first",
        ..ANY
    },
    Row {
        numbers: &[7_000_229],
        advice: "the app has no service principal in this tenant: give admin consent to the app there, which makes its enterprise app; or \
                 check `[tenant] id`",
        ..ANY
    },
    Row {
        numbers: &[7_000_112, 500_014],
        advice: "the app is disabled in this tenant: enable it (Entra admin center, enterprise apps, Properties, \"Enabled for users to sign \
                 in\"), or ask who disabled it",
        ..ANY
    },
    Row {
        numbers: &[
            65_001, 65_002, 65_004, 650_052, 650_056, 650_057, 90_008, 90_094, 90_095,
        ],
        advice: "give admin consent to the app's permissions in this tenant (Entra admin center, app registration, API permissions)",
        ..ANY
    },
    Row {
        numbers: &[70_011, 500_011],
        advice: "check `[tenant] cloud` in the job file: the scope is of another cloud",
        ..ANY
    },
    Row {
        numbers: &[50_105, 501_051],
        advice: "assign the user or the app to the enterprise app, or let it need no assignment (Properties, \"Assignment required\")",
        ..ANY
    },
    // ---- policies ----
    Row {
        numbers: &[530_035],
        advice: "security defaults of the tenant block this sign-in (such as the device code): use an app's own credentials, or replace the \
                 security defaults by conditional access policies that allow it",
        ..ANY
    },
    Row {
        numbers: &[
            53_000, 53_001, 53_002, 53_003, 53_004, 53_009, 53_011, 530_021, 530_032, 530_034,
            530_084,
        ],
        advice: "a conditional access policy of the tenant blocks this sign-in: the sign-in logs in the Entra admin center name it; exclude \
                 this app or this machine's address, or meet what it asks for",
        ..ANY
    },
    Row {
        numbers: &[50_072, 50_074, 50_076, 50_078, 50_079, 50_158, 500_121],
        errors: &["interaction_required"],
        advice: "the tenant asks for multi-factor authentication (a conditional access policy): run `teamsheet login --job FILE` and give it there, or \
                 use an app's own credentials",
        ..ANY
    },
    // ---- the user ----
    Row {
        numbers: &[50_034, 500_341, 50_057, 51_004, 50_020],
        advice: "the user who signed in is deleted, disabled or of another tenant: sign in as another with `teamsheet login --job FILE`",
        ..ANY
    },
    Row {
        numbers: &[50_053, 50_055, 50_126],
        advice: "the user's account is locked or its password has ended: mend that first, then run `teamsheet login --job FILE`",
        ..ANY
    },
    Row {
        numbers: &[
            70_000, 70_008, 70_043, 50_089, 50_132, 50_133, 50_173, 54_005, 700_082, 700_084,
        ],
        advice: LOGIN,
        ..ANY
    },
    Row {
        errors: &["consent_required"],
        advice: "give admin consent to the app's permissions in this tenant (Entra admin center, app registration, API permissions)",
        ..ANY
    },
    // ---- what a method has left ----
    Row {
        methods: &[M::DeviceCode],
        advice: LOGIN,
        ..ANY
    },
    Row {
        methods: &[M::AccessToken],
        advice: "put a new access token for Graph where `[auth] access_token` names it, and run the same command again: this method cannot \
                 renew one",
        ..ANY
    },
    Row {
        methods: &[M::ManagedIdentity],
        advice: "assign a managed identity to this machine and, where it is user assigned, write its `client_id`; on a server that Azure Arc \
                 manages, set `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT` for the job, which cron and systemd do not; elsewhere than on Azure \
                 use another `[auth] method`",
        ..ANY
    },
    Row {
        methods: &[M::Certificate],
        advice: "check `[tenant] id`, `[auth] client_id` and the certificate: the app registration must hold it (without its key)",
        ..ANY
    },
    Row {
        methods: &[M::WorkloadIdentity],
        advice: "check `[tenant] id`, `[auth] client_id`, `token_file` and the app registration's federated credential",
        ..ANY
    },
    Row {
        advice: "check `[tenant] id`, `[auth] client_id` and the client secret",
        ..ANY
    },
];

impl Row {
    fn fits(&self, method: Option<AuthMethod>, numbers: &[i64], error: Option<&str>) -> bool {
        let is_of_method =
            self.methods.is_empty() || method.is_some_and(|method| self.methods.contains(&method));
        let is_of_any = self.numbers.is_empty() && self.errors.is_empty();
        is_of_method
            && (is_of_any
                || numbers.iter().any(|number| self.numbers.contains(number))
                || error.is_some_and(|error| self.errors.contains(&error)))
    }
}

impl SignInVerdict {
    /// What a refusal means that came with this status.
    pub(super) fn of(method: Option<AuthMethod>, status: u16, body: &ErrorBody) -> Self {
        use FailureClass as C;
        use FailureReason as R;
        let error = body.codes.first().map(String::as_str);
        let mut numbers = body.sign_in_codes.iter();
        let passes = numbers.any(|number| PASSING_NUMBERS.contains(number))
            || error.is_some_and(|error| PASSING_ERRORS.contains(&error));
        // the identity service, while it is being updated
        let is_updated = method == Some(M::ManagedIdentity) && matches!(status, 404 | 410);
        let (reason, class) = match status {
            429 => (R::Throttled, C::Throttled),
            408 => (R::Timeout, C::Transient),
            500..=599 => (R::ServerError, C::Transient),
            _ if passes || is_updated => (R::ServerError, C::Transient),
            // the host always says why: an empty refusal is of something on the way
            400 | 404 | 409 | 423 | 425
                if error.is_none() && method != Some(M::ManagedIdentity) =>
            {
                (R::ServerError, C::Doubtful)
            }
            _ => (R::Unauthorized, C::Terminal),
        };
        Self { reason, class }
    }
}

/// What to do where a sign-in failed, by the method and by what the host said, if it was the host.
pub(super) fn advice(method: Option<AuthMethod>, body: Option<&ErrorBody>) -> &'static str {
    let numbers = body.map_or(&[][..], |body| &body.sign_in_codes);
    let error = body.and_then(|body| body.codes.first());
    let error = error.map(String::as_str);
    let mut rows = ROWS.iter();
    rows.find(|row| row.fits(method, numbers, error))
        .map_or("", |row| row.advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: i64, error: &str) -> ErrorBody {
        ErrorBody::read(
            format!(r#"{{"error":"{error}","error_description":"AADSTS{number}: of AADSTS7000215","error_codes":[{number}]}}"#)
                .as_bytes(),
        )
    }

    #[test]
    fn each_number_has_its_own_advice() {
        for (method, number, error, holds) in [
            (
                M::ClientSecret,
                7_000_215,
                "invalid_client",
                "make a new client secret",
            ),
            (
                M::ClientSecret,
                7_000_222,
                "invalid_client",
                "has ended: make a new client secret",
            ),
            (
                M::ClientSecret,
                53_003,
                "invalid_grant",
                "conditional access",
            ),
            (M::DeviceCode, 53_003, "invalid_grant", "conditional access"),
            (
                M::ClientSecret,
                7_000_112,
                "unauthorized_client",
                "disabled",
            ),
            (M::ClientSecret, 65_001, "invalid_grant", "admin consent"),
            (
                M::ClientSecret,
                7_000_229,
                "unauthorized_client",
                "service principal",
            ),
            (M::DeviceCode, 530_035, "access_denied", "security defaults"),
            (M::ClientSecret, 700_016, "unauthorized_client", "client_id"),
            (M::ClientSecret, 90_002, "invalid_request", "[tenant] id"),
            (
                M::Certificate,
                700_027,
                "invalid_client",
                "upload the certificate",
            ),
            (M::Certificate, 700_024, "invalid_client", "clock"),
            (M::WorkloadIdentity, 700_024, "invalid_client", "token_file"),
            (
                M::WorkloadIdentity,
                700_213,
                "invalid_request",
                "federated credential",
            ),
            (M::DeviceCode, 700_082, "invalid_grant", "teamsheet login"),
            (
                M::DeviceCode,
                50_076,
                "interaction_required",
                "multi-factor",
            ),
            (M::DeviceCode, 50_057, "invalid_grant", "disabled"),
            (M::DeviceCode, 1, "consent_required", "admin consent"),
            (M::DeviceCode, 1, "invalid_grant", "teamsheet login"),
            (M::ManagedIdentity, 1, "invalid_request", "Azure Arc"),
            (M::AccessToken, 1, "invalid_request", "new access token"),
            (M::ClientSecret, 1, "invalid_client", "the client secret"),
        ] {
            let text = advice(Some(method), Some(&body(number, error)));
            assert!(text.contains(holds), "{number}: {text}");
        }
        assert!(advice(None, None).contains("the client secret"));
    }

    #[test]
    fn what_says_later_is_later_whatever_its_status() {
        let of = |status, body: &ErrorBody| SignInVerdict::of(Some(M::ClientSecret), status, body);
        for (number, error) in [
            (90_033, "temporarily_unavailable"),
            (90_033, "invalid_request"),
            (1, "temporarily_unavailable"),
            (1, "server_error"),
        ] {
            for status in [400, 401, 403] {
                let verdict = of(status, &body(number, error));
                assert_eq!(
                    verdict.reason,
                    FailureReason::ServerError,
                    "{number} {error}"
                );
                assert_eq!(verdict.class, FailureClass::Transient);
            }
        }
        assert_eq!(
            of(400, &ErrorBody::default()).reason,
            FailureReason::ServerError
        );
        assert_eq!(
            of(401, &ErrorBody::default()).reason,
            FailureReason::Unauthorized
        );
        assert_eq!(
            of(400, &body(53_003, "invalid_grant")).reason,
            FailureReason::Unauthorized
        );
        // the number that a description quotes is not its own
        assert_eq!(
            of(400, &body(7, "invalid_grant")).reason,
            FailureReason::Unauthorized
        );
        let identity = |status| {
            SignInVerdict::of(Some(M::ManagedIdentity), status, &ErrorBody::default()).reason
        };
        assert_eq!(identity(410), FailureReason::ServerError);
        assert_eq!(identity(403), FailureReason::Unauthorized);
    }

    #[test]
    fn no_number_has_two_meanings_for_one_method() {
        for method in [
            M::ClientSecret,
            M::Certificate,
            M::WorkloadIdentity,
            M::DeviceCode,
        ] {
            let mut seen = std::collections::HashMap::new();
            for row in ROWS {
                let is_of_method = row.methods.is_empty() || row.methods.contains(&method);
                for number in row.numbers.iter().filter(|_| is_of_method) {
                    assert!(!PASSING_NUMBERS.contains(number), "{number}");
                    let general = row.methods.is_empty();
                    let before = seen.insert(*number, general);
                    // of a method first, then of all
                    assert!(before.is_none_or(|before| !before && general), "{number}");
                }
            }
        }
    }
}
