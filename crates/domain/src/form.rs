//! Forms that are judged as a whole: everything that is wrong is said at once.

use crate::field::{FieldError, FieldProblem, paragraph};
use crate::{Code, Coded};

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be taken as it is")]
pub struct FormError(pub(crate) Vec<FieldError>);

impl Coded for FormError {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

/// Collects what is wrong, field by field.
#[derive(Debug, Default)]
pub struct FormCheck(Vec<FieldError>);

impl FormCheck {
    /// What a field says, unless it is wrong.
    pub fn take<T>(&mut self, member: &str, parsed: Result<T, FieldProblem>) -> Option<T> {
        parsed.map_err(|problem| self.wrong(member, problem)).ok()
    }

    /// A text that somebody will read; never empty.
    pub fn text(&mut self, member: &str, text: &str, max: usize) -> Option<String> {
        self.take(member, paragraph(text, max))
    }

    /// Something that is wrong with a field.
    pub fn wrong(&mut self, member: &str, problem: FieldProblem) {
        self.0.push(FieldError::at(member, problem));
    }

    /// What is wrong with a part that was judged by itself.
    pub fn part<T>(&mut self, part: Result<T, FormError>) -> Option<T> {
        part.map_err(|FormError(mut errors)| self.0.append(&mut errors)).ok()
    }

    /// What was put together, unless something is wrong.
    ///
    /// # Errors
    /// [`FormError`] with everything.
    pub fn finish<T>(self, whole: Option<T>) -> Result<T, FormError> {
        match whole {
            Some(whole) if self.0.is_empty() => Ok(whole),
            _ => Err(FormError(self.0)),
        }
    }
}

/// 審核結果: a text that the applicant will read; never empty.
///
/// # Errors
/// [`FormError`].
pub fn result_text(text: &str, max: usize) -> Result<String, FormError> {
    let mut form = FormCheck::default();
    let text = form.text("result", text, max);
    form.finish(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let mut form = FormCheck::default();
        let text = form.text("result", " ", 9);
        form.wrong("grounds", FieldProblem::Required);
        form.part(result_text("甲乙", 1));
        let pointers: Vec<_> =
            form.finish(text).unwrap_err().0.into_iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, ["/result", "/grounds", "/result"]);
        assert_eq!(result_text(" 可 ", 9).as_deref(), Ok("可"));
    }
}
