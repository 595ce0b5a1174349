//! Rust text in pieces: enough of the language to see functions and what they call.

/// A piece of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// A string literal, whatever it says.
    Text,
    /// `::`
    Path,
    /// `->`
    Gives,
    Mark(char),
}

impl Token {
    pub fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }
    pub fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

/// The pieces of a source, without comments and unit tests.
pub fn tokens(source: &str) -> Vec<Token> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let characters: Vec<char> = code.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < characters.len() {
        let (token, length) = next(&characters[at..]);
        found.extend(token);
        at += length;
    }
    found
}

/// The piece that a text begins with, if it is one, and how long it is.
fn next(rest: &[char]) -> (Option<Token>, usize) {
    let first = rest[0];
    let second = rest.get(1).copied().unwrap_or_default();
    let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
    match (first, second) {
        ('/', '/') => (None, rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())),
        ('"', _) => (Some(Token::Text), literal(rest)),
        ('r', '#') if rest.get(2) == Some(&'"') => (Some(Token::Text), raw(rest)),
        // A character is quoted on both sides; a lifetime is not, and tells nothing here.
        ('\'', '\\') => {
            (None, 2 + rest[2..].iter().position(|c| *c == '\'').map_or(1, |end| end + 1))
        }
        ('\'', _) => (
            None,
            if rest.get(2) == Some(&'\'') {
                3
            } else {
                1 + rest[1..].iter().take_while(|c| is_part(c)).count()
            },
        ),
        (':', ':') => (Some(Token::Path), 2),
        ('-', '>') => (Some(Token::Gives), 2),
        // An arrow closes no bracket.
        ('=', '>') => (None, 2),
        _ if is_part(&first) => {
            let word: String = rest.iter().take_while(|c| is_part(c)).collect();
            let length = word.chars().count();
            (Some(Token::Word(word)), length)
        }
        _ if first.is_whitespace() => (None, 1),
        _ => (Some(Token::Mark(first)), 1),
    }
}

fn literal(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw(rest: &[char]) -> usize {
    let end = rest.windows(2).skip(3).position(|pair| pair == ['"', '#']);
    end.map_or(rest.len(), |end| end + 5)
}

/// The place behind the bracket that closes the one at `open`.
pub fn behind(tokens: &[Token], open: usize) -> usize {
    let (opens, closes) = match tokens[open] {
        Token::Mark('(') => ('(', ')'),
        Token::Mark('<') => ('<', '>'),
        Token::Mark('[') => ('[', ']'),
        _ => ('{', '}'),
    };
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is(opens) {
            depth += 1;
        } else if token.is(closes) {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}
