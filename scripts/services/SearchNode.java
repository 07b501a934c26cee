import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback: folder, HTTP port and inner port as arguments. It ends by a signal. */
public final class SearchNode {
    public static void main(String[] args) throws InterruptedException {
        OpenSearchRunner runner = new OpenSearchRunner();
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
            ended.countDown();
        }));
        runner.onBuild((number, settings) -> settings
                .put("network.host", "127.0.0.1")
                .put("http.port", args[1])
                .put("transport.port", args[2])
                .put("discovery.type", "single-node")
                // Indices come from our template only, never from a misspelt name.
                .put("action.auto_create_index", "false")
                // A developer's disk is often fuller than the watermarks allow.
                .put("cluster.routing.allocation.disk.threshold_enabled", "false"))
            .build(OpenSearchRunner.newConfigs().basePath(args[0]).clusterName("doos").numOfNode(1).useLogger());
        ended.await();
    }
}
