//! The receiptd binary.

fn main() {}
