using System.Text;
using Broker.Core.Catalog.Statements;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>SQL is read as SQL: where a statement ends, in both dialects.</summary>
public sealed class SqlScriptTests
{
    [Theory]
    [InlineData("do $$ begin perform 1; end $$; x", "do $$ begin perform 1; end $$|x")]
    [InlineData("DO $body$ BEGIN a; $$ b; $$ END $body$; x", "DO $body$ BEGIN a; $$ b; $$ END $body$|x")]
    [InlineData("DO $Tag$ a; $tag$ b; $Tag$; x", "DO $Tag$ a; $tag$ b; $Tag$|x")]
    [InlineData("SELECT 'a;b'; x", "SELECT 'a;b'|x")]
    [InlineData("SELECT 'it''s;b'; x", "SELECT 'it''s;b'|x")]
    [InlineData("SELECT 'back\\'; x", "SELECT 'back\\'|x")]
    [InlineData("SELECT E'a\\';b'; x", "SELECT E'a\\';b'|x")]
    [InlineData("SELECT \"a;\"\"b\"; x", "SELECT \"a;\"\"b\"|x")]
    [InlineData("a -- b; c\n; x", "a -- b; c|x")]
    [InlineData("a /* b; /* c; */ d; */ e; x", "a /* b; /* c; */ d; */ e|x")]
    [InlineData("-- only this; \n/* and; this */", "")]
    [InlineData("a; -- the end", "a")]
    [InlineData("CREATE RULE r AS ON INSERT TO t DO (a; b); x", "CREATE RULE r AS ON INSERT TO t DO (a; b)|x")]
    [InlineData("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; x", "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END|x")]
    [InlineData("create or replace procedure p() begin atomic insert into t values (1); end; x", "create or replace procedure p() begin atomic insert into t values (1); end|x")]
    [InlineData("SELECT CASE WHEN a THEN b END; x", "SELECT CASE WHEN a THEN b END|x")]
    [InlineData("SELECT $1 + a$b; x", "SELECT $1 + a$b|x")]
    [InlineData("SELECT 'never closed; x", "SELECT 'never closed; x")]
    [InlineData("DO $$ never closed; x", "DO $$ never closed; x")]
    [InlineData("GRANT a TO \"END\"; WEEKEND; x", "GRANT a TO \"END\"|WEEKEND|x")]
    [InlineData("SELECT 5--1;\n; x", "SELECT 5--1;|x")]
    [InlineData("SELECT E'a'\n  'b\\';c'; x", "SELECT E'a'\n  'b\\';c'|x")]
    [InlineData("SELECT E'a' 'b\\'; x", "SELECT E'a' 'b\\'|x")]
    [InlineData("SELECT U&'a;\\0441', B'1', N'a;', U&\"a;b\"; x", "SELECT U&'a;\\0441', B'1', N'a;', U&\"a;b\"|x")]
    [InlineData("DO $a$ $b$ ; $a ; $$ ; $b$ $a$; x", "DO $a$ $b$ ; $a ; $$ ; $b$ $a$|x")]
    [InlineData("DO $ä$ a; $ä$; x", "DO $ä$ a; $ä$|x")]
    [InlineData("a;\r\n-- b;\r\nc;\r\n", "a|-- b;\r\nc")]
    [InlineData(";;  ;\n a ;; ", "a")]
    [InlineData("CREATE OR REPLACE FUNCTION s.f(a int DEFAULT 1, b text DEFAULT ';') RETURNS int BEGIN ATOMIC SELECT a; END; x", "CREATE OR REPLACE FUNCTION s.f(a int DEFAULT 1, b text DEFAULT ';') RETURNS int BEGIN ATOMIC SELECT a; END|x")]
    [InlineData("SET standard_conforming_strings = off; SELECT 'a\\';b'; x", "SET standard_conforming_strings = off|SELECT 'a\\';b'|x")]
    [InlineData("set local Standard_Conforming_Strings to 'off'; SELECT 'a\\';b'; x", "set local Standard_Conforming_Strings to 'off'|SELECT 'a\\';b'|x")]
    [InlineData("SET SESSION /* old */ \"standard_conforming_strings\" TO FALSE; SELECT 'a\\';b'; SET standard_conforming_strings=on; SELECT 'a\\'; x", "SET SESSION /* old */ \"standard_conforming_strings\" TO FALSE|SELECT 'a\\';b'|SET standard_conforming_strings=on|SELECT 'a\\'|x")]
    [InlineData("SET standard_conforming_strings = DEFAULT; SELECT 'a\\'; x", "SET standard_conforming_strings = DEFAULT|SELECT 'a\\'|x")]
    public void A_statement_of_PostgreSQL_ends_where_the_server_ends_it(string text, string statements) =>
        SqlScript.Split(DatabaseEngineKind.PostgreSql, text).ShouldBe(statements.Split('|', StringSplitOptions.RemoveEmptyEntries));

    [Theory]
    [InlineData("CREATE USER 'a;b'@'%'; x", "CREATE USER 'a;b'@'%'|x")]
    [InlineData("SELECT 'it\\'s;b'; x", "SELECT 'it\\'s;b'|x")]
    [InlineData("SELECT \"a\\\";b\"; x", "SELECT \"a\\\";b\"|x")]
    [InlineData("GRANT ALL ON `a;``b`.* TO c; x", "GRANT ALL ON `a;``b`.* TO c|x")]
    [InlineData("a # b; c\n; x", "a # b; c|x")]
    [InlineData("a -- b; c\n; x", "a -- b; c|x")]
    [InlineData("SELECT 5--1; x", "SELECT 5--1|x")]
    [InlineData("a /* b; /* c; */; x", "a /* b; /* c; */|x")]
    [InlineData("/*!50001 SET a = 1; */; # nothing; here", "/*!50001 SET a = 1; */")]
    [InlineData("CREATE PROCEDURE p() BEGIN a; IF b THEN c; END IF; CASE d WHEN 1 THEN e; END CASE; END; x", "CREATE PROCEDURE p() BEGIN a; IF b THEN c; END IF; CASE d WHEN 1 THEN e; END CASE; END|x")]
    [InlineData("CREATE DEFINER=`a`@`%` PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; WHILE a DO b; END WHILE; END; x", "CREATE DEFINER=`a`@`%` PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; WHILE a DO b; END WHILE; END|x")]
    [InlineData("CREATE TRIGGER t BEFORE INSERT ON o FOR EACH ROW IF (a = 1) THEN SET b = IF(c, 1, 2); IF d THEN e; END IF; END IF; x", "CREATE TRIGGER t BEFORE INSERT ON o FOR EACH ROW IF (a = 1) THEN SET b = IF(c, 1, 2); IF d THEN e; END IF; END IF|x")]
    [InlineData("CREATE TRIGGER t BEFORE INSERT ON o FOR EACH ROW SET NEW.a = IF(1, 2, 3); x", "CREATE TRIGGER t BEFORE INSERT ON o FOR EACH ROW SET NEW.a = IF(1, 2, 3)|x")]
    [InlineData("CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO BEGIN a; b; END; x", "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO BEGIN a; b; END|x")]
    [InlineData("DROP PROCEDURE IF EXISTS p; x", "DROP PROCEDURE IF EXISTS p|x")]
    [InlineData("BEGIN NOT ATOMIC a; b; END; x", "BEGIN NOT ATOMIC a; b; END|x")]
    [InlineData("BEGIN; a; COMMIT; x", "BEGIN|a|COMMIT|x")]
    [InlineData("DELIMITER //\nCREATE PROCEDURE p() BEGIN a; END//\nDELIMITER ;\nx; y", "CREATE PROCEDURE p() BEGIN a; END|x|y")]
    [InlineData("SELECT '$$'; SELECT '$$'", "SELECT '$$'|SELECT '$$'")]
    [InlineData("DELIMITER $$\r\nCREATE PROCEDURE p()\r\nBEGIN\r\n a;\r\nEND$$\r\nDELIMITER ;\r\nx;\r\n", "CREATE PROCEDURE p()\r\nBEGIN\r\n a;\r\nEND|x")]
    [InlineData("delimiter $$\nCREATE PROCEDURE p() BEGIN SELECT '$$', \"$$\", `$$`; END $$\ny$$\ndelimiter ;\nx", "CREATE PROCEDURE p() BEGIN SELECT '$$', \"$$\", `$$`; END|y|x")]
    [InlineData("DELIMITER go\nSELECT 1 go\nDELIMITER ;\nx", "SELECT 1|x")]
    [InlineData("CREATE PROCEDURE p() SQL SECURITY INVOKER COMMENT 'a;b' BEGIN l: LOOP LEAVE l; END LOOP l; END; x", "CREATE PROCEDURE p() SQL SECURITY INVOKER COMMENT 'a;b' BEGIN l: LOOP LEAVE l; END LOOP l; END|x")]
    [InlineData("CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO INSERT INTO t VALUES (i); END FOR; DELETE FROM u; END; x", "CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO INSERT INTO t VALUES (i); END FOR; DELETE FROM u; END|x")]
    [InlineData("CREATE PROCEDURE p() FOR r IN (SELECT a FROM b) DO c; IF d THEN e; END IF; END FOR; x", "CREATE PROCEDURE p() FOR r IN (SELECT a FROM b) DO c; IF d THEN e; END IF; END FOR|x")]
    [InlineData("CREATE PROCEDURE p() SELECT a FROM b FOR UPDATE; x", "CREATE PROCEDURE p() SELECT a FROM b FOR UPDATE|x")]
    [InlineData("IF (SELECT 1) THEN a; ELSE b; END IF; x", "IF (SELECT 1) THEN a; ELSE b; END IF|x")]
    [InlineData("FOR i IN 1..2 DO a; END FOR; WHILE b DO c; END WHILE; x", "FOR i IN 1..2 DO a; END FOR|WHILE b DO c; END WHILE|x")]
    [InlineData("CASE a WHEN 1 THEN b; END CASE; REPEAT c; UNTIL d END REPEAT; LOOP e; END LOOP; x", "CASE a WHEN 1 THEN b; END CASE|REPEAT c; UNTIL d END REPEAT|LOOP e; END LOOP|x")]
    public void A_statement_of_MySQL_ends_where_the_server_ends_it(string text, string statements) =>
        SqlScript.Split(DatabaseEngineKind.MySql, text).ShouldBe(statements.Split('|', StringSplitOptions.RemoveEmptyEntries));

    [Theory]
    [InlineData("BEGIN; a; COMMIT;", "a")]
    [InlineData("begin work; a; end", "a")]
    [InlineData("START TRANSACTION ISOLATION LEVEL SERIALIZABLE; a; COMMIT WORK; b", "a|b")]
    [InlineData("/* in one */ BEGIN TRANSACTION; a; -- and\nCOMMIT TRANSACTION", "a")]
    [InlineData("SAVEPOINT s; a; ROLLBACK TO SAVEPOINT s; RELEASE s", "SAVEPOINT s|a|ROLLBACK TO SAVEPOINT s|RELEASE s")]
    public void The_broker_begins_and_commits_itself(string text, string statements) =>
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, [text]).ShouldBe(statements.Split('|'));

    [Theory]
    [InlineData("a; ROLLBACK")]
    [InlineData("a; abort work; b")]
    [InlineData("a; COMMIT AND CHAIN")]
    [InlineData("a; PREPARE TRANSACTION 'x'")]
    [InlineData("COMMIT PREPARED 'x'")]
    public void What_would_end_the_transaction_otherwise_is_refused_in_words(string text) =>
        Should.Throw<FormatException>(() => StatementTexts.Read(DatabaseEngineKind.PostgreSql, [text])).Message.ShouldContain("one transaction");

    [Fact]
    public void Lists_and_Base64_are_read_as_Vault_reads_them()
    {
        static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        string[] expected = ["CREATE ROLE \"{{name}}\"", "GRANT a TO \"{{name}}\""];
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, [Base64("""["CREATE ROLE \"{{name}}\";", "GRANT a TO \"{{name}}\""]""")]).ShouldBe(expected);
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, [Base64("CREATE ROLE \"{{name}}\"; GRANT a TO \"{{name}}\";")]).ShouldBe(expected);
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, ["""["CREATE ROLE \"{{name}}\"", "GRANT a TO \"{{name}}\""]"""]).ShouldBe(expected);
        StatementTexts.Read(DatabaseEngineKind.MongoDb, [Base64("""{"db":"a;b","roles":[]}""")]).ShouldBe(["""{"db":"a;b","roles":[]}"""]);
        StatementTexts.Read(DatabaseEngineKind.MongoDb, ["""{ "db": "a;b" }"""]).ShouldBe(["""{ "db": "a;b" }"""]);
        StatementTexts.Read(DatabaseEngineKind.MySql, ["DROP USER root"]).ShouldBe(["DROP USER root"], "that is no Base64, though its letters could be");
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, ["[null, \"a\", \"\", \"-- nothing\"]"]).ShouldBe(["a"], "what is nothing in a list is nothing");
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, ["[]"]).ShouldBeEmpty();
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, ["[1]"]).ShouldBe(["[1]"], "the server says what it thinks of it");
        StatementTexts.Read(DatabaseEngineKind.PostgreSql, ["\uFEFFCREATE ROLE a;\r\nCREATE ROLE b", Base64("\uFEFF[\"c\"]"), " \r\n "]).ShouldBe(["CREATE ROLE a", "CREATE ROLE b", "c"]);
        StatementTexts.Read(DatabaseEngineKind.MongoDb, ["\uFEFF{}", " "]).ShouldBe(["{}"]);
        StatementTexts.Names([Base64("CREATE ROLE {{ name }}")], "name").ShouldBeTrue();
        StatementTexts.Names(["CREATE ROLE {{ username }}"], "name").ShouldBeFalse();
    }
}
