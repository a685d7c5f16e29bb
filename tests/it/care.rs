//! Care of an instance: backups and the way back from them.

mod authority;
mod doctor;
mod restoring;
