#pragma once
// Everything but the opt-in extras (<selvage/asio.hpp>, <selvage/flatbuffers.hpp>).

#include <selvage/abort_signal.hpp>
#include <selvage/bytes.hpp>
#include <selvage/completion_queue.hpp>
#include <selvage/error.hpp>
#include <selvage/event.hpp>
#include <selvage/future.hpp>
#include <selvage/import.hpp>
#include <selvage/in_place.hpp>
#include <selvage/init.hpp>
#include <selvage/map.hpp>
#include <selvage/options.hpp>
#include <selvage/pool.hpp>
#include <selvage/run.hpp>
#include <selvage/stats.hpp>
#include <selvage/store.hpp>
#include <selvage/task.hpp>
#include <selvage/value.hpp>
