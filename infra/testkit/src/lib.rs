//! carillon-testkit
