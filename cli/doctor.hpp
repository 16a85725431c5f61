#pragma once
// selvage doctor: what this machine can enforce, and what each of it means for a user.

namespace selvage::cli {

/// Prints to standard output. Returns: the exit status: 1 where strict permissions cannot be enforced here.
int doctor(bool json);

}  // namespace selvage::cli
