//! The functions of the service's sources, and what each file takes from others.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::tokens::{Token, behind, tokens};

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    /// In `src/`.
    pub file: String,
    /// The type that it is a method or an associated function of.
    pub of: Option<String>,
    pub takes_self: bool,
    /// Its parameters' types, by name: the type's own name, without references and what is in
    /// brackets.
    pub parameters: HashMap<String, String>,
    pub gives_error: bool,
    pub body: Range<usize>,
}

/// A source file.
#[derive(Debug)]
pub struct File {
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    /// What names stand for that it takes from elsewhere.
    pub uses: HashMap<String, Vec<String>>,
}

/// A source's place among the modules: `tenancy/roles/mod.rs` is `tenancy::roles`.
fn module(path: &str) -> Vec<String> {
    let parts = path.trim_end_matches(".rs").split('/').filter(|part| *part != "mod");
    parts.map(str::to_owned).collect()
}

/// All files, by path, and all functions.
pub fn read(sources: Vec<(String, String)>) -> (BTreeMap<String, File>, Vec<Function>) {
    let (mut files, mut functions) = (BTreeMap::new(), Vec::new());
    for (path, text) in sources {
        let tokens = tokens(&text);
        functions.extend(functions_of(&path, &tokens));
        let uses = uses(&tokens);
        files.insert(path.clone(), File { module: module(&path), tokens, uses });
    }
    (files, functions)
}

fn functions_of(path: &str, tokens: &[Token]) -> Vec<Function> {
    let blocks = implementations(tokens);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at].word() != Some("fn") {
            continue;
        }
        let Some(name) = tokens.get(at + 1).and_then(Token::word) else { continue };
        let generics = if tokens[at + 2].is('<') { behind(tokens, at + 2) } else { at + 2 };
        if !tokens[generics].is('(') {
            continue;
        }
        let parameters = generics..behind(tokens, generics);
        let Some(open) = body(tokens, parameters.end) else { continue };
        let result = &tokens[parameters.end..open];
        found.push(Function {
            name: name.to_owned(),
            file: path.to_owned(),
            of: blocks.iter().find(|(range, _)| range.contains(&at)).map(|(_, of)| of.clone()),
            takes_self: tokens[parameters.clone()]
                .iter()
                .take(5)
                .any(|token| token.word() == Some("self")),
            parameters: typed(&tokens[parameters]),
            gives_error: matches!(result,
                [Token::Gives, Token::Word(word)] if word == "Error" || word == "Self"),
            body: open..behind(tokens, open),
        });
    }
    found
}

/// Where the body opens behind a signature; none of a declaration in a trait.
fn body(tokens: &[Token], mut at: usize) -> Option<usize> {
    while at < tokens.len() {
        match tokens[at] {
            Token::Mark('{') => return Some(at),
            Token::Mark(';') => return None,
            Token::Mark('(' | '[') => at = behind(tokens, at),
            _ => at += 1,
        }
    }
    None
}

/// The blocks of implementations, each with the type that they are of.
fn implementations(tokens: &[Token]) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let begins =
            at == 0 || tokens[at - 1].is('}') || tokens[at - 1].is(';') || tokens[at - 1].is(']');
        if tokens[at].word() != Some("impl") || !begins {
            continue;
        }
        let Some(open) = body(tokens, at) else { continue };
        let from = if tokens[at + 1].is('<') { behind(tokens, at + 1) } else { at + 1 };
        let head = &tokens[from..open.max(from)];
        let after =
            head.iter().position(|token| token.word() == Some("for")).map_or(0, |at| at + 1);
        found.push((open..behind(tokens, open), type_at(&head[after..]).unwrap_or_default()));
    }
    found
}

/// The own name of the type that is written there.
fn type_at(tokens: &[Token]) -> Option<String> {
    let from = tokens.iter().position(|token| token.word().is_some_and(|word| word != "mut"))?;
    let path =
        tokens[from..].iter().take_while(|token| matches!(token, Token::Word(_) | Token::Path));
    path.filter_map(Token::word).take_while(|word| *word != "where").last().map(str::to_owned)
}

fn typed(parameters: &[Token]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for at in 1..parameters.len().saturating_sub(1) {
        if let (Token::Word(name), true) = (&parameters[at - 1], parameters[at].is(':')) {
            found.extend(type_at(&parameters[at + 1..]).map(|kind| (name.clone(), kind)));
        }
    }
    found
}

fn uses(tokens: &[Token]) -> HashMap<String, Vec<String>> {
    let mut found = HashMap::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].word() == Some("use")) {
        let end = tokens[at..]
            .iter()
            .position(|token| token.is(';'))
            .map_or(tokens.len(), |length| at + length);
        expand(&[], &tokens[at + 1..end], &mut found);
    }
    found
}

/// Takes a `use` tree apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(before: &[String], tree: &[Token], found: &mut HashMap<String, Vec<String>>) {
    let mut path = before.to_vec();
    for (at, token) in tree.iter().enumerate() {
        match token {
            Token::Word(word) if word == "as" => {
                found.extend(
                    tree.get(at + 1)
                        .and_then(Token::word)
                        .map(|alias| (alias.to_owned(), path.clone())),
                );
                return;
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Mark('{') => {
                let inside = &tree[at + 1..behind(tree, at) - 1];
                for branch in branches(inside) {
                    expand(&path, branch, found);
                }
                return;
            }
            _ => {}
        }
    }
    found.extend(path.last().cloned().map(|name| (name, path)));
}

fn branches(tree: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut from, mut at) = (Vec::new(), 0, 0);
    while at < tree.len() {
        if tree[at].is(',') {
            found.push(&tree[from..at]);
            from = at + 1;
        }
        at = if tree[at].is('{') { behind(tree, at) } else { at + 1 };
    }
    found.push(&tree[from..]);
    found
}
