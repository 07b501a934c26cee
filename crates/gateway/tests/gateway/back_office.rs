//! back_office
