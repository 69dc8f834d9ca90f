import java.sql.*;
import java.util.*;

/** Connects by JDBC with each string it is given (driver and string, each on a line of its own, on standard input), and prints what the server sees. */
public final class Drivers {
    private static final String POSTGRES =
        "SELECT current_user, current_database(), current_setting('application_name'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    private static final String MYSQL =
        "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), DATABASE(), (SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs"
        + " WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'),"
        + " (SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER')";

    public static void main(String[] arguments) throws Exception {
        var lines = new Scanner(System.in, "UTF-8").useDelimiter("\n");
        var out = new java.io.PrintStream(System.out, true, "UTF-8");
        while (lines.hasNext()) {
            String driver = lines.next(), text = lines.next();
            try (var connection = DriverManager.getConnection(text);
                 var answer = connection.createStatement().executeQuery(driver.equals("pgjdbc") ? POSTGRES : MYSQL)) {
                answer.next();
                out.println("{\"driver\":" + quoted(driver) + ",\"user\":" + quoted(answer.getString(1)) + ",\"database\":" + quoted(answer.getString(2))
                    + ",\"name\":" + quoted(answer.getString(3)) + ",\"encrypted\":" + answer.getBoolean(4) + "}");
            } catch (Exception failure) {
                out.println("{\"driver\":" + quoted(driver) + ",\"error\":" + quoted(failure.toString()) + "}");
            }
        }
    }

    private static String quoted(String text) {
        if (text == null) return "null";
        var json = new StringBuilder("\"");
        for (char letter : text.toCharArray())
            json.append(letter < ' ' || letter == '"' || letter == '\\' ? String.format("\\u%04x", (int) letter) : String.valueOf(letter));
        return json.append('"').toString();
    }
}
