import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Works with the documented client until standard input ends: says who it is when that changes, and each query that failed. */
public final class Work {
    private static volatile boolean stopped;

    public static void main(String[] arguments) throws Exception {
        URI broker = URI.create(arguments[0]);
        Path token = Path.of(arguments[2]);
        var orders = arguments.length > 3
            ? new LeasedDataSource(broker, arguments[1], token, "pgjdbc", Integer.parseInt(arguments[3]), Integer.parseInt(arguments[4]))
            : new LeasedDataSource(broker, arguments[1], token, "pgjdbc");
        var user = new AtomicReference<>("");
        var queries = new AtomicInteger();
        var workers = new ArrayList<Thread>();
        for (int i = 0; i < 6; i++) {
            var worker = new Thread(() -> {
                while (!stopped) {
                    try (var connection = orders.getConnection();
                         var answer = connection.createStatement().executeQuery("SELECT current_user FROM pg_sleep(0.02)")) {
                        answer.next();
                        queries.incrementAndGet();
                        String name = answer.getString(1);
                        if (!name.equals(user.getAndSet(name))) System.out.println("user " + name);
                    } catch (Exception failure) {
                        System.out.println("failed " + failure.toString().replace('\n', ' '));
                        try { Thread.sleep(20); } catch (InterruptedException end) { return; }
                    }
                }
            });
            worker.start();
            workers.add(worker);
        }
        System.in.readAllBytes();
        stopped = true;
        for (var worker : workers) worker.join();
        orders.close();
        System.out.println("done " + queries.get());
        System.exit(0);
    }
}
