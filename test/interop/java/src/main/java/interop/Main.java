package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.dapr.actors.ActorId;
import io.dapr.actors.client.ActorClient;
import io.dapr.actors.client.ActorProxy;
import io.dapr.actors.client.ActorProxyBuilder;
import io.dapr.actors.runtime.ActorRuntime;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import reactor.core.publisher.Mono;

/**
 * Hosts JavaCounter, and is a client that calls actors of any type through the official SDK.
 *
 * <p>Asked over standard input, a JSON line a call: {"n":1,"type":"PyCounter","id":"a","method":"increment","args":[5]}.
 * Answers on standard output: @@{"n":1,"result":5} or @@{"n":1,"error":"…"}; @@{"ready":true} when it serves. Ends with its input.
 */
@SpringBootApplication(scanBasePackages = {"interop", "io.dapr.springboot"})
public class Main {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ActorClient CLIENT = new ActorClient();

  /** Any method of any actor, by its name on the wire. */
  static Mono<Object> call(String type, String id, String method, Object[] args) {
    ActorProxy proxy = new ActorProxyBuilder<>(type, ActorProxy.class, CLIENT).build(new ActorId(id));
    return args.length == 0 ? proxy.invokeMethod(method, Object.class) : proxy.invokeMethod(method, args, Object.class);
  }

  public static void main(String[] args) throws Exception {
    ActorRuntime.getInstance().registerActor(CounterActor.class);
    SpringApplication app = new SpringApplication(Main.class);
    app.setDefaultProperties(Map.of(
        "server.port", System.getenv("APP_PORT"), "server.address", "127.0.0.1",
        "spring.main.banner-mode", "off", "logging.level.root", "WARN", "server.tomcat.threads.min-spare", "2"));
    app.run(args);
    tell(Map.of("ready", true));
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      answer(JSON.readTree(line));
    }
    System.exit(0);
  }

  private static void answer(JsonNode request) throws Exception {
    int n = request.get("n").asInt();
    Object[] args = JSON.treeToValue(request.get("args"), Object[].class);
    call(request.get("type").asText(), request.get("id").asText(), request.get("method").asText(), args)
        .defaultIfEmpty("")
        .subscribe(result -> tell(message(n, "result", result)), error -> tell(message(n, "error", String.valueOf(error.getMessage()))));
  }

  private static Map<String, Object> message(int n, String key, Object value) {
    Map<String, Object> message = new HashMap<>();
    message.put("n", n);
    message.put(key, value);
    return message;
  }

  private static synchronized void tell(Map<String, Object> message) {
    try {
      System.out.println("@@" + JSON.writeValueAsString(message));
    } catch (java.io.IOException error) {
      throw new IllegalStateException(error);
    }
  }
}
