//! carillon-local
