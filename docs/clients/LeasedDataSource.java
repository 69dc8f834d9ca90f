import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * Database connections by a lease of the broker's: a HikariCP pool per lease, because the user's name changes with the password.
 *
 * <pre>
 * var orders = new LeasedDataSource(URI.create("https://broker.broker.svc"), "orders-api", Path.of("/var/run/secrets/broker/token"), "pgjdbc", 10, 2);
 * try (var connection = orders.getConnection()) { … }
 * orders.close();
 * </pre>
 */
public final class LeasedDataSource implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("lease");
    private static final int SILENCE = 45_000; // the broker gives a sign of life every 15 seconds
    private static final long LONGEST_PAUSE = 30_000;
    private static final long START_WITHIN = 120_000; // a full database, or a broker that starts, answers before long

    private final ObjectMapper json = new ObjectMapper();
    private final URI broker;
    private final String role;
    private final Path token;
    private final String driver;
    private final String wants;
    private final Object gate = new Object(); // held while old connections have to close before new ones open
    private final Thread following = new Thread(this::follow, "lease");
    private volatile boolean stopped;
    private volatile JsonNode credentials;
    private JsonNode grant;
    private Pool pool;
    private long told; // the number of the last size it was told
    private long allotment; // the number of the last size it keeps to

    /** Asks for as many connections as its role gives by default, and follows the lease until it is closed. */
    public LeasedDataSource(URI broker, String role, Path token, String driver) throws IOException {
        this(broker, role, token, driver, "{}");
    }

    /** Asks for this many connections and accepts the least: the broker gives more, or asks it to go down, between the two. */
    public LeasedDataSource(URI broker, String role, Path token, String driver, int connections, int minConnections) throws IOException {
        this(broker, role, token, driver, "{\"connections\":" + connections + ",\"minConnections\":" + minConnections + "}");
    }

    private LeasedDataSource(URI broker, String role, Path token, String driver, String wants) throws IOException {
        this.broker = broker;
        this.role = role;
        this.token = token;
        this.driver = driver;
        this.wants = wants;
        grant = begin();
        credentials = grant.get("credentials");
        pool = new Pool(credentials.at("/drivers/" + driver.replace("/", "~1")).asText(), connections(grant));
        LOG.log(System.Logger.Level.INFO, "has {0} connections as {1}", connections(grant), user());
        following.setDaemon(true);
        following.start();
    }

    /** A connection; close it soon, as always. */
    public Connection getConnection() throws SQLException {
        Pool from;
        synchronized (gate) {
            from = pool;
            from.asking.incrementAndGet();
        }
        try {
            return from.source.getConnection();
        } finally {
            from.asking.decrementAndGet();
        }
    }

    /** Gives the connections back at once; if that does not get through, they come free by themselves. */
    @Override public void close() {
        stopped = true; // a watch under way ends with the holder
        following.interrupt();
        synchronized (gate) {
            pool.source.close();
        }
        try {
            call("DELETE", "/api/v1/holders/" + holder(), null, 10_000, null).disconnect();
        } catch (IOException failure) {
            LOG.log(System.Logger.Level.WARNING, "could not release: {0}", failure.getMessage());
        }
    }

    // Running work finishes on the old pool; where both may not be open at once, new work waits for it. Returns whether the old connections
    // are closed, or may stay open for a while.
    private boolean moveTo(JsonNode next, long overlapSeconds) {
        JsonNode to = next.has("credentials") ? next.get("credentials") : credentials;
        LOG.log(System.Logger.Level.INFO, "moves from {0} to {1}, {2} connections", user(), to.get("username").asText(), connections(next));
        synchronized (gate) {
            Pool old = pool;
            boolean closed = overlapSeconds > 0 || old.closeWhenIdle(30_000);
            pool = new Pool(to.at("/drivers/" + driver.replace("/", "~1")).asText(), connections(next));
            credentials = to;
            grant = next;
            if (overlapSeconds > 0) {
                Thread drain = new Thread(() -> old.closeWhenIdle(overlapSeconds * 1000), "lease-drain");
                drain.setDaemon(true);
                drain.start();
            }
            return closed;
        }
    }

    private boolean resize(JsonNode renewed) {
        if (connections(renewed) != connections(grant)) LOG.log(System.Logger.Level.INFO, "has {0} connections now", connections(renewed));
        grant = renewed;
        return pool.resize(connections(renewed), 30_000);
    }

    private void take(JsonNode renewed) throws IOException {
        // Answers of watching and renewing can overtake each other: it ignores a size that is older than the last.
        if (renewed.path("allotment").asLong(told) < told) return;
        told = renewed.path("allotment").asLong(told);
        boolean moves = renewed.path("rotate").asBoolean() && !renewed.at("/lease/id").equals(grant.at("/lease/id"));
        boolean keeps = moves ? moveTo(renewed, renewed.path("overlapSeconds").asLong()) : resize(renewed);
        if (!keeps || told == allotment) return;
        // No more are open than it was told, and it confirms that: the broker then gives the others to waiting claims.
        allotment = told;
        take(json.readTree(call("POST", "/api/v1/holders/" + holder() + "/renew?" + inUse(), null, 30_000, null).getInputStream()));
    }

    // Tells the broker what it uses, so that it can be asked to go down, and be given more.
    private String inUse() { return "lease=" + grant.at("/lease/id").asText() + "&allotment=" + allotment; }

    // The first claim waits until there is a grant; a caller that may not have one is told so at once.
    private JsonNode begin() throws IOException {
        for (long end = System.nanoTime() + START_WITHIN * 1_000_000;;) {
            try {
                return claim();
            } catch (IOException failure) {
                Refused refused = failure instanceof Refused told ? told : null;
                if (refused != null && refused.status < 500 && refused.after == 0 || System.nanoTime() > end) throw failure;
                LOG.log(System.Logger.Level.WARNING, "cannot claim yet: {0}", failure.toString());
                try {
                    Thread.sleep(refused != null && refused.after > 0 ? refused.after : 1000);
                } catch (InterruptedException leaving) {
                    Thread.currentThread().interrupt();
                    throw failure;
                }
            }
        }
    }

    private JsonNode claim() throws IOException {
        // Waits in line up to 20 seconds when the database has no connections free.
        return json.readTree(call("POST", "/api/v1/roles/" + role + "/credentials", "wait=20", 30_000, wants).getInputStream());
    }

    // Server-sent events: the broker renews the holder while we listen, and says at once when to move.
    private void watch() throws IOException {
        HttpURLConnection watching = call("GET", "/api/v1/holders/" + holder() + "/watch?" + inUse(), null, SILENCE, null);
        try (var lines = new BufferedReader(new InputStreamReader(watching.getInputStream(), StandardCharsets.UTF_8))) {
            String kind = "";
            for (String line; (line = lines.readLine()) != null;) {
                if (line.startsWith("event: ")) kind = line.substring(7);
                if (!line.startsWith("data: ")) continue;
                JsonNode data = json.readTree(line.substring(6));
                if (kind.equals("ending")) throw new Refused(404, 0, data.path("detail").asText());
                take(data);
            }
        }
    }

    private void follow() {
        long pause = 1000;
        while (!stopped) {
            long began = System.nanoTime(), wanted = 0;
            try {
                watch();
                LOG.log(System.Logger.Level.INFO, "the broker ended the watch; watching again");
            } catch (Exception failure) { // whatever fails, it keeps following the lease
                if (stopped) return;
                LOG.log(System.Logger.Level.WARNING, "{0}; the connections go on meanwhile", failure.toString());
                wanted = failure instanceof Refused refused ? refused.after : 0;
                if (failure instanceof Refused refused && refused.status == 404) {
                    try {
                        // The holder has ended: it claims again. It usually gets the same lease, and then its connections stay.
                        JsonNode next = claim();
                        if (stopped) {
                            call("DELETE", "/api/v1/holders/" + next.at("/holder/id").asText(), null, 10_000, null).disconnect();
                            return;
                        }
                        told = allotment = 0; // a new holder begins with 0
                        if (next.at("/lease/id").equals(grant.at("/lease/id"))) resize(next);
                        else moveTo(next, 0);
                        LOG.log(System.Logger.Level.INFO, "has a new holder of {0}", user());
                        pause = 1000;
                        continue;
                    } catch (Exception again) {
                        LOG.log(System.Logger.Level.WARNING, "cannot claim again: {0}", again.toString());
                        wanted = again instanceof Refused refusedAgain ? refusedAgain.after : 0;
                    }
                }
            }
            if (System.nanoTime() - began > LONGEST_PAUSE * 1_000_000) pause = 1000;
            try {
                Thread.sleep(Math.max(wanted, (long) (pause * ThreadLocalRandom.current().nextDouble(0.5, 1))));
            } catch (InterruptedException closing) {
                return;
            }
            pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
    }

    private HttpURLConnection call(String method, String path, String prefer, int silence, String content) throws IOException {
        var request = (HttpURLConnection) broker.resolve(path).toURL().openConnection();
        request.setRequestMethod(method);
        request.setConnectTimeout(5000);
        request.setReadTimeout(silence);
        request.setRequestProperty("Authorization", "Bearer " + Files.readString(token).trim()); // Kubernetes renews the file
        if (prefer != null) request.setRequestProperty("Prefer", prefer);
        if (content != null) {
            request.setDoOutput(true);
            request.setRequestProperty("Content-Type", "application/json");
            request.getOutputStream().write(content.getBytes(StandardCharsets.UTF_8));
        }
        int status = request.getResponseCode();
        if (status < 300) return request;
        String detail = "the broker answered " + status;
        try (var body = request.getErrorStream()) {
            if (body != null) detail = json.readTree(body).path("detail").asText(detail);
        } catch (IOException noProblem) {
            // Not an answer of the broker's.
        }
        throw new Refused(status, request.getHeaderFieldLong("Retry-After", 0) * 1000, detail);
    }

    private String holder() { return grant.at("/holder/id").asText(); }

    private String user() { return credentials.get("username").asText(); }

    private static int connections(JsonNode grant) { return grant.get("connections").asInt(); }

    private static final class Pool {
        final AtomicInteger asking = new AtomicInteger();
        final Opener opener;
        final HikariDataSource source;

        Pool(String url, int size) {
            opener = new Opener(url, size);
            var config = new HikariConfig();
            config.setJdbcUrl(url); // Hikari recognises the driver by it
            config.setDataSource(opener);
            config.setMaximumPoolSize(size);
            config.setMinimumIdle(1); // with 0, Hikari opens nothing for callers that already wait when a connection is closed
            config.setInitializationFailTimeout(-1);
            source = new HikariDataSource(config);
        }

        // Grows at once; shrinks as soon as enough are unused: Hikari closes those in use when they are given back. False: they were not in time.
        boolean resize(int to, long within) {
            long end = System.nanoTime() + within * 1_000_000;
            opener.allow(to);
            source.setMaximumPoolSize(to);
            try {
                for (var state = source.getHikariPoolMXBean(); opener.count() > to; Thread.sleep(5)) {
                    if (System.nanoTime() > end) return false;
                    if (state.getTotalConnections() > to) state.softEvictConnections();
                }
            } catch (InterruptedException closing) {
                Thread.currentThread().interrupt();
                return false;
            }
            return true;
        }

        // Closing a pool ends the connections in use: it is closed when none is, or when its time is over. Returns whether none was.
        boolean closeWhenIdle(long within) {
            long end = System.nanoTime() + within * 1_000_000;
            boolean idle = true;
            try {
                while (System.nanoTime() < end && !(idle = asking.get() == 0 && source.getHikariPoolMXBean().getActiveConnections() == 0))
                    Thread.sleep(20);
            } catch (InterruptedException closing) {
                Thread.currentThread().interrupt();
            }
            source.close();
            return idle;
        }
    }

    // Opens the connections of a pool, and never more than it may: Hikari counts one only when it is open, so one that is being opened
    // while the pool is made smaller would come on top.
    private static final class Opener implements DataSource {
        private final Set<Connection> open = new HashSet<>();
        private final String url;
        private int most, opening;

        Opener(String url, int most) {
            this.url = url;
            this.most = most;
        }

        synchronized void allow(int connections) { most = connections; }

        synchronized int count() {
            open.removeIf(Opener::isClosed);
            return opening + open.size();
        }

        @Override public Connection getConnection() throws SQLException {
            long end = System.nanoTime() + 10_000_000_000L;
            while (!begins()) {
                if (System.nanoTime() > end) throw new SQLTransientConnectionException("as many connections are open as were granted");
                try {
                    Thread.sleep(5);
                } catch (InterruptedException closing) {
                    Thread.currentThread().interrupt();
                    throw new SQLTransientConnectionException("the pool is being closed");
                }
            }
            Connection made = null;
            try {
                return made = DriverManager.getConnection(url);
            } finally {
                ends(made);
            }
        }

        private synchronized boolean begins() {
            if (count() >= most) return false;
            opening++;
            return true;
        }

        private synchronized void ends(Connection made) {
            opening--;
            if (made != null) open.add(made);
        }

        private static boolean isClosed(Connection connection) {
            try {
                return connection.isClosed();
            } catch (SQLException unknown) {
                return false;
            }
        }

        @Override public Connection getConnection(String user, String password) throws SQLException { return getConnection(); }
        @Override public void setLoginTimeout(int seconds) { DriverManager.setLoginTimeout(seconds); }
        @Override public int getLoginTimeout() { return DriverManager.getLoginTimeout(); }
        @Override public PrintWriter getLogWriter() { return null; }
        @Override public void setLogWriter(PrintWriter out) { }
        @Override public Logger getParentLogger() { return Logger.getGlobal(); }
        @Override public <T> T unwrap(Class<T> type) throws SQLException { throw new SQLException("wraps nothing"); }
        @Override public boolean isWrapperFor(Class<?> type) { return false; }
    }

    private static final class Refused extends IOException {
        final int status;
        final long after;

        Refused(int status, long after, String detail) {
            super(detail);
            this.status = status;
            this.after = after;
        }
    }
}
