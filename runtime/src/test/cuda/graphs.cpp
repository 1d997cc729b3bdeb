// The software driver's graphs: what was captured of a stream, to run again.
#include "state.h"

using namespace soft;

namespace {

struct Graph {
  std::vector<Operation> operations;
};

Handles<Graph> graphs;
Handles<Graph> executables;

std::shared_ptr<Graph> findGraph(Handles<Graph>& handles, const void* handle, const char* function) {
  auto graph = handles.find(handle);
  if (!graph) {
    report("%s: %p is no such object, or was destroyed", function, handle);
  }
  return graph;
}

CUresult destroy(Handles<Graph>& handles, const void* handle, const char* function) {
  if (!handles.remove(handle)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: %p is no such object, or was destroyed", function, handle);
  }
  return CUDA_SUCCESS;
}

}  // namespace

namespace soft {

CUgraph addGraph(std::vector<Operation> operations) {
  auto graph = std::make_shared<Graph>();
  graph->operations = std::move(operations);
  return static_cast<CUgraph>(graphs.add(graph));
}

long long liveGraphs() { return graphs.count() + executables.count(); }

void clearGraphs() {
  graphs.clear();
  executables.clear();
}

}  // namespace soft

EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph handle, unsigned long long flags) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(executable);
  auto graph = findGraph(graphs, handle, __func__);
  if (!graph) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  auto copy = std::make_shared<Graph>(*graph);
  *executable = static_cast<CUgraphExec>(executables.add(copy));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphUpload(CUgraphExec executable, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  return findGraph(executables, executable, __func__) && findStream(stream, __func__) ? CUDA_SUCCESS
                                                                                      : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  BEGIN(Needs::CONTEXT);
  auto graph = findGraph(executables, executable, __func__);
  if (!graph) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return enqueue(
      stream,
      [graph]() -> CUresult {
        for (auto& operation : graph->operations) {
          if (CUresult status = operation.work()) {
            report("%s failed in a graph", operation.what);
            return status;
          }
        }
        return CUDA_SUCCESS;
      },
      __func__);
}

EXPORT CUresult cuGraphExecDestroy(CUgraphExec executable) {
  BEGIN(Needs::CONTEXT);
  return destroy(executables, executable, __func__);
}

EXPORT CUresult cuGraphDestroy(CUgraph graph) {
  BEGIN(Needs::CONTEXT);
  return destroy(graphs, graph, __func__);
}
