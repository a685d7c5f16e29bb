//! The manual page of the rules of time, jobctl-time(7): the same text as docs/time.md.

use super::markdown;

const TEXT: &str = include_str!("../../docs/time.md");

/// Makes the body of the page.
pub(crate) fn body() -> String {
    format!(
        ".SH DESCRIPTION\n{}.SH \"SEE ALSO\"\n\\fBjobctl\\-explain\\fR(1), \\fBjobctl\\-next\\fR(1), \\fBjobctl\\-jobs\\fR(5), \
         \\fBcrontab\\fR(5), \\fBtzfile\\fR(5)\n",
        markdown::to_roff(TEXT).trim_start_matches(".PP\n")
    )
}
