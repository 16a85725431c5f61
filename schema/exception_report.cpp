// See exception_report.hpp. Built in place, so that a worker out of memory can still report it.

#include "schema/exception_report.hpp"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <selvage/detail/wire.hpp>

#include "schema/exception_report_generated.h"
#include "schema/span_allocator.hpp"

namespace selvage::schema {
namespace {

/// Nobody reads more of them.
constexpr std::size_t max_causes = 32;

/// What of a report is written.
struct cut_report {
  std::string_view type;
  std::string_view what;
  std::span<const std::string> causes;
  int system_error;
};

cut_report whole(const exception_report& report) {
  return {report.type, report.what, std::span(report.causes).first(std::min(report.causes.size(), max_causes)),
          report.system_error};
}

std::size_t bound_of(const cut_report& report) {
  constexpr std::size_t identifier = 4;
  detail::wire_size size;
  size.string(report.type.size());
  size.string(report.what.size());
  size.offsets(report.causes.size());
  for (const std::string& cause : report.causes) size.string(cause.size());
  size.table(std::size_t{4} * (4 + 3) + identifier, 4);
  return size.total();
}

void shorten(std::string_view& text, std::size_t excess) { text.remove_suffix(std::min(text.size(), excess)); }

cut_report cut(const exception_report& report, std::size_t space) {
  const auto excess = [space](const cut_report& cut) { return bound_of(cut) - std::min(bound_of(cut), space); };
  cut_report cut = whole(report);
  while (!cut.causes.empty() && excess(cut) != 0) cut.causes = cut.causes.first(cut.causes.size() - 1);
  shorten(cut.what, excess(cut));
  shorten(cut.type, excess(cut));
  return cut;
}

std::string text_of(const flatbuffers::String* text) { return text == nullptr ? std::string() : text->str(); }

}  // namespace

std::size_t bound(const exception_report& report) { return bound_of(whole(report)); }

detail::extent encode(const exception_report& report, std::span<std::byte> out) {
  out = out.first(std::min(out.size(), detail::max_table_bytes) & ~(detail::payload_alignment - 1));
  const cut_report cut = schema::cut(report, out.size());
  span_allocator allocator(out);
  flatbuffers::FlatBufferBuilder builder(out.size(), &allocator, false, detail::payload_alignment);
  std::array<flatbuffers::Offset<flatbuffers::String>, max_causes> causes;
  for (std::size_t i = 0; i < cut.causes.size(); ++i) causes[i] = builder.CreateString(cut.causes[i]);
  const auto type = builder.CreateString(cut.type.data(), cut.type.size());
  const auto what = builder.CreateString(cut.what.data(), cut.what.size());
  const auto vector = builder.CreateVector(causes.data(), cut.causes.size());
  return finish(builder, wire::CreateExceptionReport(builder, type, what, vector, cut.system_error), out,
                wire::ExceptionReportIdentifier());
}

tl::expected<exception_report, std::string> decode(std::span<const std::byte> hostile) {
  if (hostile.size() < 2 * sizeof(flatbuffers::uoffset_t) || hostile.size() >= detail::max_table_bytes) {
    return tl::unexpected<std::string>("an exception report cannot have " + std::to_string(hostile.size()) + " bytes");
  }
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(hostile.data());
  flatbuffers::Verifier verifier(bytes, hostile.size());
  if (!wire::VerifyExceptionReportBuffer(verifier)) {
    return tl::unexpected<std::string>("the bytes of an exception report do not verify");
  }
  const auto* const from = wire::GetExceptionReport(bytes);
  exception_report report{text_of(from->type()), text_of(from->what()), {}, from->system_error()};
  if (from->causes() == nullptr) return report;
  if (from->causes()->size() > max_causes)
    return tl::unexpected<std::string>("an exception report has too many causes");
  for (const auto* cause : *from->causes()) report.causes.push_back(text_of(cause));
  return report;
}

}  // namespace selvage::schema
