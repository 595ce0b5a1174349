//! Which function calls which, read from the text: cautiously, since without types a method is
//! known by its name only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::functions::{File, Function, read};
use super::tokens::{Token, behind};

/// Functions by their place in [`Calls::functions`].
type Id = usize;

/// What takes a function to make a refusal from.
const TAKES_A_REFUSAL: [&str; 5] =
    ["ok_or_else", "map_err", "map_or_else", "unwrap_or_else", "on_constraint"];
/// Parts of `http/` and `kernel/db/` that handlers call; the rest is the guard's and the driver's,
/// which the document tells of by itself.
const CALLED: [&str; 3] = ["http/etag.rs", "http/list.rs", "kernel/db/page.rs"];

/// The service's functions and how they call one another.
pub struct Calls {
    files: BTreeMap<String, File>,
    pub functions: Vec<Function>,
    by_name: HashMap<String, Vec<Id>>,
    by_module: HashMap<Vec<String>, String>,
}

impl Calls {
    pub fn of(sources: Vec<(String, String)>) -> Self {
        let (files, functions) = read(sources);
        let mut by_name: HashMap<String, Vec<Id>> = HashMap::new();
        for (id, function) in functions.iter().enumerate() {
            by_name.entry(function.name.clone()).or_default().push(id);
        }
        let by_module =
            files.iter().map(|(path, file)| (file.module.clone(), path.clone())).collect();
        Self { files, functions, by_name, by_module }
    }

    /// The codes that a function, or what it calls, makes refusals of; each with the way there.
    pub fn codes(&self, from: Id) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let (mut open, mut seen) =
            (vec![(from, self.functions[from].name.clone())], BTreeSet::from([from]));
        while let Some((id, way)) = open.pop() {
            for code in self.own_codes(id) {
                found.entry(code).or_insert_with(|| way.clone());
            }
            for called in self.called(id) {
                if seen.insert(called) {
                    open.push((called, format!("{way} > {}", self.functions[called].name)));
                }
            }
        }
        found
    }

    fn body(&self, id: Id) -> &[Token] {
        let function = &self.functions[id];
        &self.files[&function.file].tokens[function.body.clone()]
    }

    /// `Error::new(Code::X, …)`.
    fn own_codes(&self, id: Id) -> Vec<String> {
        let body = self.body(id).windows(7);
        let made = body.filter_map(|window| match window {
            [
                Token::Word(error),
                Token::Path,
                Token::Word(new),
                open,
                Token::Word(code),
                Token::Path,
                Token::Word(name),
            ] if (error == "Error" || error == "Self")
                && new == "new"
                && open.is('(')
                && code == "Code" =>
            {
                Some(name.clone())
            }
            _ => None,
        });
        made.collect()
    }

    fn called(&self, id: Id) -> Vec<Id> {
        let file = &self.functions[id].file;
        let within = |folder: &str| file.starts_with(folder) && !CALLED.contains(&file.as_str());
        // Which rule of the database a statement breaks is said where the statement is, not where
        // errors are made of it.
        let translates = file.starts_with("kernel/error/")
            && ["from", "on_constraint"].contains(&self.functions[id].name.as_str());
        if within("http/") || within("kernel/db/") || translates {
            return Vec::new();
        }
        let body = self.body(id);
        let mut found = Vec::new();
        for at in 1..body.len() {
            let Some(name) = body[at].word() else { continue };
            if opens_call(body, at + 1) {
                if body[at - 1].is('.') {
                    found.extend(self.methods(
                        id,
                        at.checked_sub(2).and_then(|at| body[at].word()),
                        name,
                    ));
                } else {
                    found.extend(self.at_path(id, &path_to(body, at)));
                }
            }
            if TAKES_A_REFUSAL.contains(&name) {
                found.extend(
                    refusal(body, at)
                        .into_iter()
                        .flat_map(|path| self.at_path(id, &path))
                        .filter(|id| self.functions[*id].gives_error),
                );
            }
        }
        found
    }

    /// The functions that a path means in a function's file.
    fn at_path(&self, id: Id, path: &[String]) -> Vec<Id> {
        let function = &self.functions[id];
        let mut path = path.to_vec();
        if let (Some("Self"), Some(of)) = (path.first().map(String::as_str), &function.of) {
            path[0].clone_from(of);
        }
        self.resolved(&function.file, &path, 0)
    }

    fn resolved(&self, file: &str, path: &[String], depth: usize) -> Vec<Id> {
        let absolute = self.absolute(file, path, 0);
        let Some((name, place)) = absolute.split_last() else { return Vec::new() };
        let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        if let Some(home) = self.by_module.get(place) {
            let own: Vec<Id> = named
                .iter()
                .copied()
                .filter(|id| self.functions[*id].file == *home && self.functions[*id].of.is_none())
                .collect();
            if !own.is_empty() {
                return own;
            }
            // Handed on: `pub use`.
            return match self.files[home].uses.get(name) {
                Some(further) if depth < 5 => self.resolved(home, further, depth + 1),
                _ => Vec::new(),
            };
        }
        let of = place.last();
        named
            .iter()
            .copied()
            .filter(|id| of.is_some() && self.functions[*id].of.as_ref() == of)
            .collect()
    }

    /// The path from the root of the crate.
    fn absolute(&self, file: &str, path: &[String], depth: usize) -> Vec<String> {
        let File { module, uses, .. } = &self.files[file];
        let joined = |before: &[String], after: &[String]| {
            before.iter().chain(after).cloned().collect::<Vec<_>>()
        };
        let ups = path.iter().take_while(|part| *part == "super").count();
        let (first, rest) = (path[0].as_str(), &path[1..]);
        match first {
            "crate" => rest.to_vec(),
            "self" => joined(module, rest),
            "super" => joined(&module[..module.len().saturating_sub(ups)], &path[ups..]),
            _ if !rest.is_empty() && self.by_module.contains_key(&joined(module, &path[..1])) => {
                joined(module, path)
            }
            _ => match uses.get(first) {
                Some(used) if depth < 5 && used[..] != path[..1] => {
                    self.absolute(file, &joined(used, rest), depth + 1)
                }
                _ => joined(module, path),
            },
        }
    }

    /// The methods that a call may mean: of the receiver's type, where its name or a parameter
    /// tells it, else of every type that the caller's slice has, its file takes, or contexts are
    /// made of.
    fn methods(&self, id: Id, receiver: Option<&str>, name: &str) -> Vec<Id> {
        let caller = &self.functions[id];
        let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let named: Vec<Id> =
            named.iter().copied().filter(|id| self.functions[*id].takes_self).collect();
        let of = match receiver {
            Some("self") => caller.of.clone(),
            Some(receiver) => Some(
                caller.parameters.get(receiver).cloned().unwrap_or_else(|| type_name(receiver)),
            ),
            None => None,
        };
        let exactly: Vec<Id> = named
            .iter()
            .copied()
            .filter(|id| of.is_some() && self.functions[*id].of == of)
            .collect();
        if !exactly.is_empty() {
            return exactly;
        }
        // A room and the slice in it.
        let slice = |file: &str| file.split('/').take(2).collect::<Vec<_>>().join("/");
        let uses = &self.files[&caller.file].uses;
        let near = |id: &Id| {
            let Function { file, of, .. } = &self.functions[*id];
            // The guard's own decisions are no method that handlers call.
            let of_contexts =
                file.starts_with("context/") && !file.starts_with("context/authorize/");
            let taken = of.as_ref().is_some_and(|of| uses.contains_key(of));
            of_contexts
                || taken
                || slice(file) == slice(&caller.file)
                || CALLED.contains(&file.as_str())
        };
        named.into_iter().filter(near).collect()
    }
}

/// `precondition` is a `Precondition`.
fn type_name(receiver: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    receiver.split('_').filter(|part| part.is_ascii() && !part.is_empty()).map(capital).collect()
}

/// Whether arguments follow, maybe behind the types that are chosen (`::<T>`).
fn opens_call(body: &[Token], at: usize) -> bool {
    match (body.get(at), body.get(at + 1)) {
        (Some(Token::Path), Some(open)) if open.is('<') => {
            body.get(behind(body, at + 1)).is_some_and(|token| token.is('('))
        }
        (Some(token), _) => token.is('('),
        _ => false,
    }
}

/// The path that ends with the word there.
fn path_to(body: &[Token], mut at: usize) -> Vec<String> {
    let mut path = Vec::from_iter(body[at].word().map(str::to_owned));
    while at >= 2 && body[at - 1] == Token::Path {
        let Some(word) = body[at - 2].word() else { break };
        path.insert(0, word.to_owned());
        at -= 2;
    }
    path
}

/// The function that is handed to the call there instead of being called:
/// `.ok_or_else(Error::not_found)`.
fn refusal(body: &[Token], at: usize) -> Option<Vec<String>> {
    let mut from = at + 2;
    if let (Some(Token::Text), Some(comma)) = (body.get(from), body.get(from + 1))
        && comma.is(',')
    {
        from += 2;
    }
    let length = body
        .get(from..)?
        .iter()
        .take_while(|token| matches!(token, Token::Word(_) | Token::Path))
        .count();
    let ends = body.get(from + length).is_some_and(|token| token.is(')') || token.is(','));
    (length > 0 && ends).then(|| path_to(body, from + length - 1))
}
