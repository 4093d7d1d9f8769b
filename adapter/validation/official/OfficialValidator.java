import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.fhir.ucum.UcumService;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;
import org.hl7.fhir.utilities.http.ManagedWebAccess;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.utilities.validation.ValidationMessage.IssueSeverity;
import org.hl7.fhir.validation.IgLoader;
import org.hl7.fhir.validation.ValidationEngine;
import org.hl7.fhir.validation.instance.InstanceValidator;
import org.hl7.fhir.validation.instance.advisor.BasePolicyAdvisorForFullValidation;
import org.hl7.fhir.validation.service.model.InstanceValidatorParameters;

/**
 * HL7's official validator over JSON, NDJSON and XML files, without any network. Every literal
 * reference must resolve within the files given (unless --ignore-references); a profile that is not
 * known is an error (unless --unknown-profiles-pass), and so is a URL of example.org (unless
 * --allow-example-urls). Prints one JSON line an error and a summary; exit 1 on errors.
 */
public class OfficialValidator {
  private static final Map<String, String> CORE =
      Map.of(
          "R4", "hl7.fhir.r4.core#4.0.1",
          "R4B", "hl7.fhir.r4b.core#4.3.0",
          "R5", "hl7.fhir.r5.core#5.0.0");
  private static final String TERMINOLOGY = "7.0.1";
  private static final String EXTENSIONS = "5.3.0-ballot-tc1";
  private static final List<String> UNKNOWN_PROFILE =
      List.of(
          "Validation_VAL_Profile_Unknown",
          "VALIDATION_VAL_PROFILE_UNKNOWN_ERROR",
          "VALIDATION_VAL_PROFILE_UNKNOWN_ERROR_NETWORK",
          "VALIDATION_VAL_PROFILE_UNKNOWN_NOT_POLICY");

  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();
  private static final Map<String, byte[]> RESOURCES = new HashMap<>(); // "Type/id" -> JSON
  private static final Map<String, Integer> COUNTS = new TreeMap<>(); // severity, message id
  private static final PrintStream OUT = System.out;
  private static final List<String> PROFILES = new ArrayList<>();
  private static boolean references = true;
  private static boolean unknownProfilesPass;
  private static boolean exampleUrls;
  private static UcumService ucum;
  private static int resources;
  private static int errors;

  private record Line(Path file, int number, byte[] content) {
    FhirFormat format() {
      return new String(content, StandardCharsets.UTF_8).stripLeading().startsWith("<")
          ? FhirFormat.XML
          : FhirFormat.JSON;
    }
  }

  public static void main(String[] arguments) throws Exception {
    String fhir = "R4";
    int threads = 1;
    List<String> guides = new ArrayList<>();
    List<Line> lines = new ArrayList<>();
    for (int i = 0; i < arguments.length; i++) {
      switch (arguments[i]) {
        case "--fhir" -> fhir = arguments[++i];
        case "--ig" -> guides.add(arguments[++i]);
        case "--profile" -> PROFILES.add(arguments[++i]);
        case "--ignore-references" -> references = false;
        case "--unknown-profiles-pass" -> unknownProfilesPass = true;
        case "--allow-example-urls" -> exampleUrls = true;
        case "--threads" -> threads = Integer.parseInt(arguments[++i]);
        default -> read(Path.of(arguments[i]), lines);
      }
    }
    if (lines.isEmpty()) throw new IllegalArgumentException("no resources given");
    System.setOut(System.err); // the engine talks on stdout
    validate(engine(fhir, guides), lines, threads);
    JsonObject summary = new JsonObject();
    summary.addProperty("summary", true);
    summary.addProperty("fhir", fhir);
    summary.addProperty("resources", resources);
    summary.addProperty("errors", errors);
    summary.add("messages", GSON.toJsonTree(COUNTS));
    OUT.println(GSON.toJson(summary));
    System.exit(errors > 0 ? 1 : 0);
  }

  private static void read(Path path, List<Line> lines) throws IOException {
    try (Stream<Path> found = Files.walk(path)) {
      for (Path file : found.sorted().toList()) {
        String name = file.toString();
        if (name.endsWith(".ndjson")) {
          int number = 0;
          for (String text : Files.readAllLines(file)) {
            number++;
            if (!text.isBlank()) {
              lines.add(line(file, number, text.getBytes(StandardCharsets.UTF_8)));
            }
          }
        } else if (file.equals(path) ? Files.isRegularFile(file) : name.matches(".*[.](json|xml)")) {
          lines.add(line(file, 1, Files.readAllBytes(file)));
        }
      }
    }
  }

  private static Line line(Path file, int number, byte[] content) {
    try {
      String text = new String(content, StandardCharsets.UTF_8);
      JsonObject resource = JsonParser.parseString(text).getAsJsonObject();
      if (resource.has("id")) {
        String type = resource.get("resourceType").getAsString();
        RESOURCES.put(type + "/" + resource.get("id").getAsString(), content);
      }
    } catch (RuntimeException unreadable) {
      // XML, or no resource at all: the validator says so
    }
    return new Line(file, number, content);
  }

  private static ValidationEngine engine(String fhir, List<String> guides) throws Exception {
    ManagedWebAccess.setAccessPolicy(ManagedWebAccess.WebAccessPolicy.PROHIBITED);
    String core = CORE.get(fhir);
    String suffix = fhir.equals("R5") ? "r5" : "r4";
    ValidationEngine engine =
        new ValidationEngine.ValidationEngineBuilder()
            .withVersion(core.substring(core.indexOf('#') + 1))
            .withNoTerminologyServer()
            .fromSource(core);
    engine.loadPackage("hl7.terminology." + suffix, TERMINOLOGY);
    engine.loadPackage("hl7.fhir.uv.extensions." + suffix, EXTENSIONS);
    engine.getContext().setCanRunWithoutTerminology(true);
    engine.getContext().setNoTerminologyServer(true);
    engine.setPolicyAdvisor(
        new BasePolicyAdvisorForFullValidation(
            references
                ? ReferenceValidationPolicy.CHECK_EXISTS_AND_TYPE
                : ReferenceValidationPolicy.IGNORE,
            null));
    engine.setFetcher(new GivenFiles(engine));
    for (String guide : guides) {
      engine.getIgLoader().loadIg(engine.getIgs(), engine.getBinaries(), guide, true);
    }
    engine.prepare();
    ucum = engine.getContext().getUcumService();
    return engine;
  }

  private static void validate(ValidationEngine base, List<Line> lines, int threads)
      throws Exception {
    ThreadLocal<ValidationEngine> own = ThreadLocal.withInitial(() -> copy(base)); // not shareable
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    List<Future<?>> jobs = new ArrayList<>();
    for (Line line : lines) jobs.add(pool.submit(() -> validate(own.get(), line)));
    for (Future<?> job : jobs) job.get();
    pool.shutdown();
  }

  private static synchronized ValidationEngine copy(ValidationEngine base) {
    try {
      ValidationEngine engine = new ValidationEngine(base);
      engine.setIgLoader(
          new IgLoader(engine.getPcm(), engine.getContext(), base.getVersion(), false));
      engine.setFetcher(new GivenFiles(engine));
      return engine;
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static void validate(ValidationEngine engine, Line line) {
    List<ValidationMessage> messages = new ArrayList<>();
    try {
      InstanceValidator validator =
          engine.getValidator(
              FhirFormat.JSON, new InstanceValidatorParameters().setAllowExampleUrls(exampleUrls));
      for (String message : unknownProfilesPass ? List.<String>of() : UNKNOWN_PROFILE) {
        validator
            .getValidationControl()
            .put(message, validator.new ValidationControl(true, IssueSeverity.ERROR));
      }
      // A URL cannot be looked up offline.
      validator
          .getValidationControl()
          .put(
              "Type_Specific_Checks_DT_URL_Resolve",
              validator.new ValidationControl(true, IssueSeverity.WARNING));
      var content = new ByteArrayInputStream(line.content());
      validator.validate(null, messages, content, line.format(), engine.asSdList(PROFILES));
      if (line.format() == FhirFormat.JSON) units(line.content(), messages);
    } catch (Throwable error) {
      messages.add(message(IssueSeverity.FATAL, "", "exception: " + error, "EXCEPTION"));
    }
    report(line, messages);
  }

  private static void units(byte[] content, List<ValidationMessage> messages) {
    try {
      JsonElement resource = JsonParser.parseString(new String(content, StandardCharsets.UTF_8));
      JsonElement type = resource.getAsJsonObject().get("resourceType");
      units(resource, type == null ? "" : type.getAsString(), messages);
    } catch (RuntimeException unreadable) {
      // the validator has said so
    }
  }

  /** UCUM is left to terminology servers by the engine; the service it carries can check it. */
  private static void units(JsonElement element, String path, List<ValidationMessage> messages) {
    if (element.isJsonArray()) {
      int index = 0;
      for (JsonElement each : element.getAsJsonArray()) {
        units(each, path + "[" + index++ + "]", messages);
      }
    }
    if (!element.isJsonObject()) return;
    JsonObject object = element.getAsJsonObject();
    JsonElement system = object.get("system");
    JsonElement code = object.get("code");
    if (system != null
        && code != null
        && system.isJsonPrimitive()
        && code.isJsonPrimitive()
        && system.getAsString().equals("http://unitsofmeasure.org")) {
      String fault = ucum.validate(code.getAsString());
      if (fault != null) {
        messages.add(message(IssueSeverity.ERROR, path + ".code", "UCUM: " + fault, "UCUM"));
      }
    }
    object.entrySet().forEach(e -> units(e.getValue(), path + "." + e.getKey(), messages));
  }

  private static ValidationMessage message(
      IssueSeverity level, String path, String text, String id) {
    return new ValidationMessage()
        .setLevel(level)
        .setLocation(path)
        .setMessage(text)
        .setMessageId(id);
  }

  private static synchronized void report(Line line, List<ValidationMessage> messages) {
    resources++;
    for (ValidationMessage message : messages) {
      IssueSeverity level = message.getLevel();
      COUNTS.merge(level.toCode() + " " + message.getMessageId(), 1, Integer::sum);
      if (level != IssueSeverity.ERROR && level != IssueSeverity.FATAL) continue;
      errors++;
      JsonObject issue = new JsonObject();
      issue.addProperty("file", line.file().toString());
      issue.addProperty("line", line.number());
      issue.addProperty("path", message.getLocation());
      issue.addProperty("message", message.getMessage());
      issue.addProperty("messageId", message.getMessageId());
      OUT.println(GSON.toJson(issue));
    }
  }

  /** Resolves references within the files given; nothing else, never the network. */
  private record GivenFiles(ValidationEngine engine) implements IValidatorResourceFetcher {
    @Override
    public Element fetch(IResourceValidator validator, Object context, String url)
        throws IOException {
      byte[] json = RESOURCES.get(url);
      return json == null
          ? null
          : Manager.parseSingle(
              engine.getContext(), new ByteArrayInputStream(json), FhirFormat.JSON);
    }

    @Override
    public boolean resolveURL(
        IResourceValidator validator,
        Object context,
        String path,
        String url,
        IWorkerContext.VersionResolutionRules rules,
        String type,
        boolean canonical,
        List<CanonicalType> targets) {
      return false;
    }

    @Override
    public byte[] fetchRaw(IResourceValidator validator, String url) throws IOException {
      throw new IOException("offline");
    }

    @Override
    public IValidatorResourceFetcher setLocale(Locale locale) {
      return this;
    }

    @Override
    public CanonicalResource fetchCanonicalResource(
        IResourceValidator validator, Object context, String url) {
      return null;
    }

    @Override
    public boolean fetchesCanonicalResource(IResourceValidator validator, String url) {
      return false;
    }

    @Override
    public Set<ResourceVersionInformation> fetchCanonicalResourceVersions(
        IResourceValidator validator, Object context, String url) {
      return Set.of();
    }
  }
}
