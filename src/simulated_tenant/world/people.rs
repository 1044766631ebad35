//! The directory: members, guests, and the accounts that a loader trips over.

use super::dice::Dice;
use super::{AccessPolicy, Group, NoMailbox, Person, UserType};

/// Given names: plausible, and plainly made up together with the family names.
const GIVEN: [&str; 24] = [
    "Ada", "Bela", "Cleo", "Dario", "Edda", "Filip", "Gwen", "Hugo", "Ines", "Jonas", "Kaya",
    "Leif", "Mina", "Nils", "Orla", "Pavel", "Quinn", "Rosa", "Soren", "Tilda", "Uma", "Viggo",
    "Wanda", "Yara",
];
const FAMILY: [&str; 20] = [
    "Sampleton",
    "Testberg",
    "Mockridge",
    "Fixtura",
    "Placeholt",
    "Demoine",
    "Loremson",
    "Ipsumer",
    "Stubbs",
    "Exempel",
    "Musterly",
    "Dummett",
    "Fakenham",
    "Protova",
    "Trialov",
    "Specimann",
    "Synthwell",
    "Modelaar",
    "Patternak",
    "Ünreal",
];
const DEPARTMENTS: [&str; 6] = [
    "Sales",
    "Finance",
    "Operations",
    "Learning",
    "Engineering",
    "Legal",
];
const TITLES: [&str; 5] = ["Analyst", "Manager", "Engineer", "Coordinator", "Director"];

/// `users` accounts; which kind an account is follows from its position alone.
pub(super) fn generate(users: u32, dice: &mut Dice) -> Vec<Person> {
    let mut people: Vec<Person> = (0..users).map(|number| person(number, dice)).collect();
    // two people of one name: whoever joins by name counts them as one
    let name = people.get(1).map(|person| person.display_name.clone());
    if let (Some(name), Some(namesake)) = (name, people.get_mut(2)) {
        namesake.display_name = name;
    }
    people
}

/// A name such as `Ada Sampleton`.
pub(super) fn name(dice: &mut Dice) -> String {
    let given = dice.pick(&GIVEN).copied().unwrap_or_default();
    let family = dice.pick(&FAMILY).copied().unwrap_or_default();
    format!("{given} {family}")
}

/// `ada.sampleton`, in ASCII.
pub(super) fn mail_name(name: &str) -> String {
    name.to_lowercase().replace('ü', "u").replace(' ', ".")
}

/// A department with a nested group, a guest and a group that nobody is in.
pub(super) fn groups(people: &[Person], dice: &mut Dice) -> Vec<Group> {
    let ids = |every: usize, from: usize| -> Vec<String> {
        let members = people.iter().skip(from).step_by(every);
        members.map(|person| person.id.clone()).collect()
    };
    let nested = Group {
        id: dice.guid(),
        display_name: "Sales, field".to_owned(),
        members: ids(5, 3),
    };
    let mut members = ids(4, 0);
    members.push(nested.id.clone());
    let outer = Group {
        id: dice.guid(),
        display_name: "Sales".to_owned(),
        members,
    };
    let nobody = Group {
        id: dice.guid(),
        display_name: "Reserve".to_owned(),
        members: Vec::new(),
    };
    vec![outer, nested, nobody]
}

fn person(number: u32, dice: &mut Dice) -> Person {
    let display_name = name(dice);
    let id = dice.guid();
    let is_guest = number % 20 == 9;
    let local = format!("{}{number}", mail_name(&display_name));
    let (user_principal_name, mail) = if is_guest {
        (
            format!("{local}_fabrikam.example#EXT#@contoso.example"),
            Some(format!("{local}@fabrikam.example")),
        )
    } else if number % 10 == 4 {
        // the address changed with the name, the sign-in name did not
        (
            format!("u{number:04}@contoso.example"),
            Some(format!("{local}@contoso.example")),
        )
    } else {
        let address = format!("{local}@contoso.example");
        (address.clone(), Some(address))
    };
    let has_mailbox = !is_guest && number % 20 != 11;
    Person {
        id,
        display_name,
        user_principal_name,
        mail: mail.filter(|_| has_mailbox || is_guest),
        job_title: dice.pick(&TITLES).map(|title| (*title).to_owned()),
        department: dice.pick(&DEPARTMENTS).map(|name| (*name).to_owned()),
        account_enabled: number % 20 != 7,
        user_type: if is_guest {
            UserType::Guest
        } else {
            UserType::Member
        },
        has_mailbox,
        no_mailbox: NoMailbox::NotEnabledForRest,
        access_policy: match number % 40 {
            13 => AccessPolicy::Missing,
            26 => AccessPolicy::MissingGeneral,
            33 => AccessPolicy::OtherUsers,
            _ => AccessPolicy::Granted,
        },
    }
}
